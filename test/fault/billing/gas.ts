import { type Setting, setting, type Terms, word } from '../../contracts-evm/channel.ts';
import { type Outcome, onEach, type Row, whole } from './row.ts';

/** Rows 1, 2, 3 and 7: what things cost on the chain. Gas is a function of state and input alone, so both machines must agree. */

const AIMX = 10n ** 18n;

interface Costs {
  readonly post: number;
  readonly one: number;
  readonly ten: number;
}

/** First post of a device done, channels paid once: what each later batch finds. */
async function costs(s: Setting): Promise<Costs> {
  const channels: { terms: Terms; id: string }[] = [];
  for (let i = 0; i < 11; i++) {
    const terms = { ...s.terms, salt: word(`gas ${i}`) };
    await s.deposit(100n * AIMX, terms);
    const id = (await s.ledger.channelId!(terms)) as string;
    const first = await s.acknowledged(s.statement(1, AIMX + 1n, id), terms);
    await s.chain.send(s.ledger, s.device, 'settle', [first]);
    channels.push({ terms, id });
  }
  let n = 0;
  const post = async (rows: object[]): Promise<number> => {
    const { head } = await s.ledger.headOf!(s.device.address);
    n++;
    const fields = [head, word(`root ${n}`), n * 10_000, BigInt(n) * 100n * AIMX];
    const receipt =
      rows.length === 0
        ? await s.chain.send(s.ledger, s.device, 'post', ...fields)
        : await s.chain.send(s.ledger, s.device, 'postAndSettle', s.device.address, ...fields, '0x', rows);
    return Number(receipt.gasUsed);
  };
  await post([]);
  const rows: object[] = [];
  for (const { terms, id } of channels)
    rows.push(await s.acknowledged(s.statement(10_000, 2n * AIMX, id), terms));
  return { post: await post([]), one: await post(rows.slice(0, 1)), ten: await post(rows.slice(1)) };
}

const gasRow = (
  number: number,
  test: string,
  target: string,
  judge: (gas: Costs) => { measured: string; passed: boolean },
): Row => ({
  number,
  test,
  target,
  async run(context): Promise<Outcome> {
    const found = await onEach(context, async (chain) => costs(await setting(chain)));
    const [a, b] = found as [Costs, Costs];
    const { measured, passed } = judge(a);
    const same = JSON.stringify(a) === JSON.stringify(b);
    return { passed: passed && same, measured: `${measured}${same ? ' on both' : '; the machines differ'}` };
  },
});

export const gasRows: readonly Row[] = [
  gasRow(
    1,
    'gas per receipt, root + settle, one channel, N = 1 / 100 / 10,000',
    '≤ 80,000 / 800 / 8.0',
    ({ one }) => ({
      passed: one <= 80_000,
      measured: `${whole(one)} / ${(one / 100).toFixed(0)} / ${(one / 10_000).toFixed(2)}`,
    }),
  ),
  gasRow(2, 'ten channels and the root in one transaction', '≤ 27k gas per channel', ({ ten }) => ({
    passed: ten / 10 <= 27_000,
    measured: `${whole(ten / 10)} a channel`,
  })),
  gasRow(3, 'post alone', '≤ 37k gas', ({ post }) => ({
    passed: post <= 37_000,
    measured: whole(post),
  })),
  {
    number: 7,
    test: 'over-claim',
    target: 'cancelled and slashed, ≤ 60k gas',
    async run(context) {
      const found = await onEach(context, async (chain) => {
        const s = await setting(chain);
        await s.deposit(1000n);
        const bond = [s.provider.address, s.device.address, s.terms.token, 700n];
        await chain.send(s.ledger, s.payer, 'addBond', ...bond);
        const until = (await chain.now()) + 86_400;
        const claimed = await s.stated(s.statement(5, 600n));
        await chain.send(s.ledger, s.device, 'claim', s.terms, claimed, await s.allowed(800n, until));
        const truth = await s.stated(s.statement(6, 350n));
        const { gasUsed } = await chain.send(s.ledger, s.payer, 'challenge', s.terms, truth);
        const { held, balance } = await s.ledger.channelOf!(s.id);
        const { amount } = await s.ledger.bondOf!(s.provider.address, s.device.address, s.terms.token);
        return { gas: Number(gasUsed), held: held as bigint, won: balance - 1000n, lost: 700n - amount };
      });
      const gas = Math.max(...found.map((one) => one.gas));
      const right = found.every(({ held, won, lost }) => held === 0n && lost === 500n && won === 250n);
      return {
        passed: right && gas <= 60_000,
        measured: `${right ? 'cancelled, twice the excess slashed' : 'NOT cancelled or slashed'}, ${whole(gas)} gas`,
      };
    },
  },
];

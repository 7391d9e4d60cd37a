import { type Setting, setting, type Terms, word } from '../../contracts-evm/channel.ts';
import { revertOf } from '../../contracts-evm/open-chain.ts';
import { onEach, type Row } from './row.ts';

const DAY = 86_400;

/** Row 14: tokens that take a fee, permits that somebody else used first. */
export const tokenRow: Row = {
  number: 14,
  test: 'token that takes a fee on transfer; front-run permit',
  target: 'deposit reverts; deposit still works',
  async run(context) {
    const found = await onEach(context, async (chain) => {
      const s = await setting(chain);
      const fee = await chain.deploy('FeeToken', s.payer, s.payer.address);
      await chain.send(fee, s.payer, 'approve', await s.ledger.getAddress(), 10n ** 18n);
      const terms = { ...s.terms, token: await fee.getAddress() };
      const refused = await revertOf(chain.send(s.ledger, s.payer, 'deposit', terms, 1000n));
      await chain.send(s.token, s.payer, 'approve', await s.ledger.getAddress(), 0n);
      const permit = await permitOf(s, 70n);
      await chain.send(
        s.token,
        s.guardian,
        'permit',
        s.payer.address,
        await s.ledger.getAddress(),
        70n,
        ...permit,
      );
      await chain.send(s.ledger, s.payer, 'depositWithPermit', s.terms, 70n, ...permit);
      const { balance } = await s.ledger.channelOf!(s.id);
      return { refused, balance: balance as bigint };
    });
    const right = found.every(({ refused, balance }) => refused === 'WrongTransfer' && balance === 70n);
    return {
      passed: right,
      measured: found.map((f) => `${f.refused}, ${f.balance} of 70 in escrow`).join('; '),
    };
  },
};

async function permitOf(s: Setting, value: bigint): Promise<unknown[]> {
  const domain = {
    name: 'AI Matrix',
    version: '1',
    chainId: s.chain.devchain.chainId,
    verifyingContract: s.terms.token,
  };
  const field = (name: string, type = 'uint256') => ({ name, type });
  const types = {
    Permit: [
      field('owner', 'address'),
      field('spender', 'address'),
      field('value'),
      field('nonce'),
      field('deadline'),
    ],
  };
  const deadline = 2n ** 40n;
  const spender = await s.ledger.getAddress();
  const message = { owner: s.payer.address, spender, value, nonce: 0n, deadline };
  const signature = await s.payer.signTypedData(domain, types, message);
  return [deadline, `0x${signature.slice(130)}`, signature.slice(0, 66), `0x${signature.slice(66, 130)}`];
}

/** Row 8: what is short or wrong in one place must not keep the rest from being paid. */
export const shortRow: Row = {
  number: 8,
  test: 'escrow short by 1 wei; one invalid receipt among 10,000',
  target: 'part paid, rest claimable; the others settle',
  async run(context) {
    const found = await onEach(context, async (chain) => {
      const s = await setting(chain);
      await s.deposit(9_999n);
      const row = await s.acknowledged(s.statement(1, 10_000n));
      await chain.send(s.ledger, s.device, 'settle', [row]);
      const part = await s.balance(s.provider);
      await s.deposit(1n);
      await chain.send(s.ledger, s.device, 'settle', [row]);
      const rest = (await s.balance(s.provider)) - part;

      // Ten channels of 1,000 receipts at 3 each; in the sixth the payer refuses receipt 500, which is priced wrongly.
      const rows: object[] = [];
      let due = 0n;
      const channels = await tenChannels(s);
      for (const [i, { terms, id }] of channels.entries()) {
        const seq = i === 5 ? 499 : 1000;
        due += BigInt(seq) * 3n;
        rows.push(await s.acknowledged(s.statement(seq, BigInt(seq) * 3n, id), terms));
      }
      const before = await s.balance(s.provider);
      const batch = [
        s.device.address,
        `0x${'0'.repeat(64)}`,
        word('10,000 receipts'),
        10_000,
        30_000n,
        '0x',
        rows,
      ];
      await chain.send(s.ledger, s.device, 'postAndSettle', ...batch);
      const paid = (await s.balance(s.provider)) - before;
      // What the payer later acknowledges of that channel, the receipt mended, is still paid.
      const { terms, id } = channels[5]!;
      await chain.send(s.ledger, s.device, 'settle', [
        await s.acknowledged(s.statement(1000, 3000n, id), terms),
      ]);
      const all = (await s.balance(s.provider)) - before;
      return { right: part === 9_999n && rest === 1n && paid === due && all === 30_000n, part, rest, paid };
    });
    const [one] = found;
    return {
      passed: found.every(({ right }) => right),
      measured: `${one!.part} of 10,000 paid, then ${one!.rest}; ${one!.paid} of 30,000 beside a refused receipt, the rest later`,
    };
  },
};

async function tenChannels(s: Setting): Promise<{ terms: Terms; id: string }[]> {
  const channels: { terms: Terms; id: string }[] = [];
  for (let i = 0; i < 10; i++) {
    const terms = { ...s.terms, salt: word(`of ten ${i}`) };
    await s.deposit(3_000n, terms);
    channels.push({ terms, id: (await s.ledger.channelId!(terms)) as string });
  }
  return channels;
}

/** Row 9: the order of receipts is their number; no clock of a gateway has a say in what is paid. */
export const clockRow: Row = {
  number: 9,
  test: 'clock off a day, receipts 7 days late',
  target: 'all settle',
  async run(context) {
    const found = await onEach(context, async (chain) => {
      const s = await setting(chain);
      const channels = await tenChannels(s);
      const now = await chain.now();
      const rows: object[] = [];
      for (const { terms, id } of channels)
        rows.push(await s.acknowledged(s.statement(1000, 3000n, id), terms));
      // A ceiling signed by a payer whose clock is a day ahead is valid a day longer by the chain's; one a day behind, shorter.
      const allowed = async (id: string, off: number) => {
        const limit = { channelId: id, maxCumulative: 3000n, validUntil: now + 9 * DAY + off };
        return { ...limit, signature: await s.sign('Ceiling', limit, s.session) };
      };
      await chain.advance(7 * DAY);
      let claimed = 0;
      for (const [i, { terms, id }] of channels.slice(0, 2).entries()) {
        const head = await s.stated(s.statement(1000, 3000n, id));
        await chain.send(s.ledger, s.device, 'claim', terms, head, await allowed(id, i === 0 ? DAY : -DAY));
        claimed++;
      }
      const fields = [`0x${'0'.repeat(64)}`, word('a week late'), 10_000, 30_000n, '0x', rows.slice(2)];
      await chain.send(s.ledger, s.device, 'postAndSettle', s.device.address, ...fields);
      await chain.advance(DAY);
      for (const { terms } of channels.slice(0, 2)) await chain.send(s.ledger, s.device, 'release', terms);
      return { claimed, paid: await s.balance(s.provider) };
    });
    return {
      passed: found.every(({ paid }) => paid === 30_000n),
      measured: `${found[0]!.paid} of 30,000 paid a week late: eight acknowledged, ${found[0]!.claimed} claimed under ceilings of clocks a day off`,
    };
  },
};

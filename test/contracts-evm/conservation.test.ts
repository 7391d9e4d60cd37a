import type { EventLog } from 'ethers';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../gateway/benchmark/random.ts';
import { revertOf, sharedChain } from './chain.ts';
import { DAY, type Setting, setting, type Terms, word } from './channel.ts';

const SEED = Number(process.env.AIMX_SEED ?? 20_261_122);
/** `AIMX_STEPS=2000` for a long look. */
const STEPS = Number(process.env.AIMX_STEPS ?? 120);

/** What may happen to a ledger, at random and often wrong: every refusal must leave the money where it was. */
async function stir(s: Setting, channels: readonly { terms: Terms; id: string }[], random: () => number) {
  const pick = (n: number): number => Math.floor(random() * n);
  const { terms, id } = channels[pick(channels.length)]!;
  const seq = 1 + pick(40);
  // What a device says of a receipt is a function of its number, but for one lie in four.
  const cumulative = BigInt(seq * 25 + (pick(4) === 0 ? pick(200) : 0));
  const statement = { ...s.statement(seq, cumulative, id), receiptHash: word(`${seq} ${cumulative}`) };
  const send = (from: Setting['payer'], method: string, ...args: unknown[]): Promise<string> =>
    revertOf(s.chain.send(s.ledger, from, method, ...args));
  switch (pick(10)) {
    case 0:
    case 1:
      return send(s.payer, 'deposit', terms, BigInt(pick(400)));
    case 2:
    case 3:
      return send(s.device, 'settle', [await s.acknowledged(statement, terms)]);
    case 4:
    case 5: {
      const document = { channelId: id, maxCumulative: 2000n, validUntil: (await s.chain.now()) + DAY };
      const allowed = { ...document, signature: await s.sign('Ceiling', document, s.session) };
      return send(s.device, 'claim', terms, await s.stated(statement), allowed);
    }
    case 6:
      return send(s.guardian, 'challenge', terms, await s.stated(statement));
    case 7:
      return send(s.provider, 'release', terms);
    case 8:
      await s.chain.advance(pick(3) * DAY);
      return send(s.payer, 'withdraw', terms);
    default:
      return pick(2) === 0
        ? send(s.session, 'thaw', terms, BigInt(pick(500)))
        : send(s.payer, 'addBond', terms.provider, terms.device, terms.token, BigInt(pick(300)));
  }
}

describe.each([
  ['anvil', STEPS],
  ['ethereumjs', STEPS / 4],
] as const)('money on %s', (engine, steps) => {
  const chain = sharedChain(engine);

  test(`is conserved whatever happens (seed ${SEED})`, async () => {
    const s = await setting(chain());
    const channels = await Promise.all(
      [s.terms, { ...s.terms, salt: word('second') }].map(async (terms) => ({
        terms,
        id: (await s.ledger.channelId!(terms)) as string,
      })),
    );
    const random = seededRandom(SEED);
    const supply = await s.balance(s.payer);
    const outcomes = new Map<string, number>();
    let lost = 0n;
    for (let step = 0; step < steps; step++) {
      const outcome = await stir(s, channels, random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const states = await Promise.all(channels.map(({ id }) => s.ledger.channelOf!(id)));
      const { provider, device, token } = s.terms;
      const bond = (await s.ledger.bondOf!(provider, device, token)).amount as bigint;
      const escrow = states.reduce((sum, { balance, paid }) => sum + balance - paid, 0n);
      const paid = states.reduce((sum, state) => sum + state.paid, 0n);
      // What is in the ledger and belongs to nobody: half of what bonds have lost. It never comes back.
      const held = await s.escrow();
      expect(held - escrow - bond >= lost, `step ${step}: ${outcome}`).toBe(true);
      lost = held - escrow - bond;
      expect(await s.balance(s.provider), `step ${step}: ${outcome}`).toBe(paid);
      expect(await s.balance(s.payer), `step ${step}: ${outcome}`).toBe(supply - held - paid);
      for (const { balance, held: claimed, paid: out } of states) {
        expect(out <= balance && claimed <= balance, `step ${step}: ${outcome}`).toBe(true);
      }
    }
    const challenges = await s.ledger.queryFilter('Challenged', 0);
    const slashed = challenges.map((log) => (log as EventLog).args.slashed as bigint);
    expect(lost).toBe(slashed.reduce((sum, amount) => sum + amount - amount / 2n, 0n));
    expect(outcomes.get('no revert')).toBeGreaterThan(steps / 4);
    // How many kinds of refusal come up is left to chance, and to how often it was asked.
    expect(outcomes.size).toBeGreaterThan(Math.min(4, steps / 15));
  }, 1_000_000);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reservations } from '../../gateway/billing/channels/reservations.ts';
import { NO_ESCROW } from '../../gateway/billing/channels/rows.ts';
import { collectable, type Rules, standing, type Words } from '../../gateway/billing/channels/standing.ts';
import {
  claimable,
  isWorth,
  nextPayout,
  type PayoutChannel,
  type PayoutRules,
  type PayoutView,
  settleable,
} from '../../gateway/billing/posting/payout-rules.ts';

const SEED = 20261122;
const DAY = 86_400;
const NOW = 1_800_000_000;
const word = new Uint8Array(32);
const signature = new Uint8Array(65);
const terms = {
  ...{ payer: '0x1', payerSigner: '0x2', provider: '0x3', device: '0x4', token: '0xaa' },
  ...{ withdrawDelay: 7 * DAY, disputeWindow: DAY, salt: word },
};
const rules: Rules = {
  ...{ unacknowledged: 50n, unsettled: 80n, unseenThaw: DAY * 1000, expiry: 600_000, token: '0xaa' },
};
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const units = fc.bigInt({ min: 0n, max: 200n });
const escrow = fc
  .record({
    balance: units,
    paid: units,
    held: units,
    heldSeq: fc.nat(20),
    thawing: units,
    lead: fc.nat(DAY),
  })
  .map(({ balance, paid, held, thawing, lead, heldSeq }) => ({
    ...{ ...NO_ESCROW, opened: true, balance, heldSeq, releaseAt: held > 0n ? NOW + lead : 0 },
    ...{ paid: lesser(paid, balance), held: lesser(held, balance), thawing: lesser(thawing, balance) },
    thawAt: thawing > 0n ? NOW + 7 * DAY : 0,
  }));
const ceiling = fc.record({
  maxCumulative: units,
  validUntil: fc.integer({ min: NOW - DAY, max: NOW + 9 * DAY }),
});
const statement = fc.record({ seq: fc.nat(30), cumulative: units });
const words = fc
  .record({
    ...{ latest: escrow, final: escrow, seen: fc.nat(8 * DAY) },
    ceiling: fc.option(ceiling, { nil: undefined }),
    ack: fc.option(statement, { nil: undefined }),
  })
  .map(
    ({ seen, ceiling: c, ack, ...rest }): Words => ({
      ...{ ...rest, terms, seenAt: (NOW - seen) * 1000 },
      ceiling: c && { ...c, signature },
      ack: ack && { ...ack, receiptHash: word, signature },
    }),
  );

describe(`how far a channel is served (seed ${SEED})`, () => {
  test('never beyond what the payer allowed, what is in escrow for good, and what a withdrawal leaves', () => {
    fc.assert(
      fc.property(words, (w) => {
        const { upTo, code } = standing(w, rules, NOW * 1000);
        if (upTo === 0n) return;
        expect(code).toMatch(/^CHANNEL_/);
        expect(upTo).toBeLessThanOrEqual(w.ceiling!.maxCumulative);
        expect(upTo).toBeLessThanOrEqual(w.final.balance);
        expect(upTo).toBeLessThanOrEqual(w.latest.balance - w.latest.thawing);
        expect(upTo).toBeLessThanOrEqual(collectable(w));
        // There is time to claim, and a withdrawal that nobody saw ends a day later at the earliest.
        expect(w.ceiling!.validUntil).toBeGreaterThan(NOW);
        expect(w.seenAt + (terms.withdrawDelay - DAY) * 1000).toBeGreaterThan(NOW * 1000);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test('requests at once stay within it, whatever they cost in the end and however the bound moves', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('reserve' as const), amount: units }),
      fc.record({ do: fc.constant('settle' as const), amount: units, pick: fc.nat() }),
      fc.record({ do: fc.constant('release' as const), pick: fc.nat() }),
      fc.record({ do: fc.constant('bound' as const), amount: units }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const money = new Reservations(0n);
        const open: { amount: bigint; release(): void }[] = [];
        let [bound, highest] = [100n, 100n];
        for (const s of steps) {
          if (s.do === 'bound') bound = s.amount;
          highest = bound > highest ? bound : highest;
          if (s.do === 'reserve') {
            const before = money.billed + money.reserved;
            const room = money.reserve(s.amount, bound);
            expect(room !== undefined).toBe(before + s.amount <= bound);
            if (room) open.push(room);
          } else if (s.do !== 'bound' && open.length > 0) {
            const [room] = open.splice(s.pick % open.length, 1);
            // As the lane does: what does not fit is not billed.
            if (s.do === 'settle' && money.billed + s.amount <= bound) money.billed += s.amount;
            room!.release();
            room!.release();
          }
          expect(money.reserved).toBe(open.reduce((sum, room) => sum + room.amount, 0n));
          expect(money.open).toBe(open.length);
          expect(money.billed).toBeLessThanOrEqual(highest);
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

const payoutRules: PayoutRules = {
  fees: { coinPrice: undefined, sharePpm: 10_000n, dailyBudget: undefined },
  ...{ maxAgeMs: 0, claimAfterMs: 0, expiryMs: 600_000, idleMs: undefined },
};
const channel = fc
  .record({ latest: escrow, ceiling, ack: fc.option(statement, { nil: undefined }), head: statement })
  .map(
    ({ latest, ceiling: c, ack, head }): PayoutChannel => ({
      ...{ id: '0x1', terms, latest, ackAt: 0, newestAt: 0 },
      ceiling: { ...c, signature },
      ack: ack && { ...ack, receiptHash: word, signature },
      head: { ...head, receiptHash: word, signature },
    }),
  );

/** What the ledger does with a payout: the rules of PaymentChannels.sol. */
function applied(view: PayoutView): PayoutView {
  const payout = nextPayout(view, payoutRules);
  if (!payout) return view;
  const channels = view.channels.map((c): PayoutChannel => {
    const { latest, ack } = c;
    if (payout.action.kind === 'settle') {
      const to = lesser(ack?.cumulative ?? 0n, latest.balance);
      return to > latest.paid ? { ...c, latest: { ...latest, paid: to } } : c;
    }
    if (payout.action.kind === 'claim') {
      const { head, maxCumulative, validUntil } = payout.action;
      expect(validUntil).toBeGreaterThan(view.chainTime);
      expect(head.cumulative).toBeLessThanOrEqual(maxCumulative);
      expect(head.seq).toBeGreaterThan(latest.heldSeq);
      const held = lesser(head.cumulative, latest.balance);
      expect(held).toBeGreaterThan(latest.paid);
      return { ...c, latest: { ...latest, held, heldSeq: head.seq, releaseAt: view.chainTime + DAY } };
    }
    expect(latest.held).toBeGreaterThan(latest.paid);
    expect(view.chainTime).toBeGreaterThanOrEqual(latest.releaseAt);
    return { ...c, latest: { ...latest, paid: latest.held, held: 0n } };
  });
  return { ...view, channels };
}

describe(`what is collected (seed ${SEED})`, () => {
  test('every payout pays, none is tried twice, and in the end nothing that could be had is left', () => {
    fc.assert(
      fc.property(channel, (c) => {
        let view: PayoutView = {
          ...{ channels: [c], now: NOW * 1000, chainTime: NOW, gasPrice: 1n, gasOf: () => 100_000 },
        };
        for (let step = 0; step < 12; step++) {
          const next = applied(view);
          if (next === view) {
            // Waits for the dispute window, if for anything.
            const waiting = { ...view, chainTime: view.chainTime + DAY, now: view.now + DAY * 1000 };
            if (applied(waiting) === waiting) break;
            view = waiting;
          } else view = next;
          expect(step).toBeLessThan(11);
        }
        const [end] = view.channels;
        expect(settleable(end!)).toBe(0n);
        expect(claimable(end!, view.chainTime)).toBe(0n);
        expect(end!.latest.paid).toBeLessThanOrEqual(end!.latest.balance);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test('fees between 1 and 200 gwei: a post goes out when they are a hundredth of what it earns, and not before', () => {
    // A coin costs 2,000 AIMX; 40,000 gas at 1 gwei are 0.08 AIMX, so 8 AIMX must be in it.
    const fees = { coinPrice: 2000n * 10n ** 18n, sharePpm: 10_000n, dailyBudget: undefined };
    const gwei = 10n ** 9n;
    const earned = 8n * 10n ** 18n;
    expect(isWorth(earned, 40_000, gwei, fees)).toBe(true);
    expect(isWorth(earned - 1n, 40_000, gwei, fees)).toBe(false);
    expect(isWorth(earned, 40_000, 200n * gwei, fees)).toBe(false);
    expect(isWorth(200n * earned, 40_000, 200n * gwei, fees)).toBe(true);
    expect(isWorth(earned, 40_000, gwei, { ...fees, coinPrice: undefined })).toBe(false);
  });
});

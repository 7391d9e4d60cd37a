import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BookKey } from '../../gateway/billing/book-rows.ts';
import { sameBytes, ZERO_WORD } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import type { ChargeArgs, Charged } from '../../gateway/billing/metering/metering-ops.ts';
import { requestId } from '../../gateway/billing/metering/request-key.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { listReceipts, receiptTotals, verifyReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { amountOf, parseTariff } from '../../gateway/billing/tariff/tariff.ts';
import type { Usage } from '../../gateway/ports/meter.ts';
import { manualClock } from '../support/clock.ts';
import { type ModuleStore, moduleStore } from './harness.ts';
import { use, uses } from './uses.ts';

const SEED = 20260606;
const book: BookKey = { ...NO_LEDGER, device: `0x${'11'.repeat(20)}` };
const tariff = parseTariff({ version: 1, name: 't', fixed: '3', prices: { compute_us: '7', byte_in: '1' } });

function setUp(coalesceAbove = 1_000_000) {
  const clock = manualClock();
  const store = moduleStore();
  const meter = new ChannelMeter({
    book,
    token: NO_LEDGER.address,
    tariff,
    clock,
    coalesceAbove,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  const charge = async (...given: Usage[]) =>
    (await store.commit({ ops: meter.charge(given) })) as unknown as Charged[];
  return { clock, store, meter, charge };
}

interface Row {
  channel: number;
  seq: number;
  ordinal: number;
  request_key: string;
  amount: string;
  cumulative: string;
  usage: string;
  hash: Uint8Array;
  started_at: number;
}

const rows = (store: ModuleStore) =>
  (store.db.prepare('SELECT * FROM billing_receipts ORDER BY channel, seq').all() as unknown as Row[]).map(
    (row) => ({ ...row, request_id: requestId(row.request_key) }),
  );

describe('charging', () => {
  test('numbers receipts per channel and over the book, without gaps', async () => {
    const { store, charge } = setUp();
    await charge(use(1), use(2, { account: 'guest' }), use(3));
    await charge(use(4), use(5, { account: 'guest' }));
    expect(rows(store).map((r) => [r.channel, r.seq])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [2, 2],
    ]);
    expect(
      rows(store)
        .map((r) => r.ordinal)
        .sort(),
    ).toEqual([1, 2, 3, 4, 5]);
    const accounts = (await listReceipts(store)).map((r) => r.account);
    expect(accounts.filter((a) => a === 'guest')).toHaveLength(2);
  });

  test('bills a request id once, also within one commit', async () => {
    const { store, charge } = setUp();
    expect(await charge(use(1), use(1), use(2))).toMatchObject([{ receipts: 2, repeated: 1, conflicts: 0 }]);
    expect(await charge(use(1), use(3))).toMatchObject([{ receipts: 1, repeated: 1 }]);
    expect(rows(store).map((r) => r.seq)).toEqual([1, 2, 3]);
  });

  test('the same id with another body is skipped for pipelines and refused for requests', async () => {
    const { store, meter, charge } = setUp();
    await charge(use(1));
    expect(await charge(use(1, { request: 'other' }), use(2))).toMatchObject([{ receipts: 1, conflicts: 1 }]);
    const [op] = meter.charge([use(3), use(2, { request: 'other' })]);
    const strict = { op: op!.op, args: { ...(op!.args as ChargeArgs), onConflict: 'error' } };
    await expect(store.commit({ ops: [strict] })).rejects.toMatchObject({ code: 'BILLING_CONFLICT' });
    expect(rows(store)).toHaveLength(2);
  });

  test('a failed transaction leaves neither gap nor trace', async () => {
    const { store, meter, charge } = setUp();
    await charge(use(1));
    const ops = [...meter.charge([use(2)]), { op: 'billing.seal', args: {} }];
    await expect(store.commit({ ops })).rejects.toThrow();
    await charge(use(3));
    expect(rows(store).map((r) => [r.seq, r.request_id])).toEqual([
      [1, use(1).requestId],
      [2, use(3).requestId],
    ]);
    expect((await verifyReceipt(store, '1:2')).kind).toBe('incomplete');
  });

  test(`amounts add up to the cumulative amount and the book's total (seed ${SEED})`, async () => {
    const usage = fc.record({
      computeUs: fc.nat(10 ** 9),
      bytesIn: fc.nat(10 ** 9),
      account: fc.constantFrom('a', 'b'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(usage, { maxLength: 6 }), { maxLength: 6 }), async (commits) => {
        const { store, charge } = setUp();
        let n = 0;
        let expected = 0n;
        for (const commit of commits) {
          await charge(...commit.map((given) => use(++n, given)));
          for (const u of commit)
            expected += amountOf(tariff, { inference: 1, compute_us: u.computeUs, byte_in: u.bytesIn });
        }
        const sums = new Map<number, bigint>();
        for (const row of rows(store)) {
          const sum = (sums.get(row.channel) ?? 0n) + BigInt(row.amount);
          expect(BigInt(row.cumulative)).toBe(sum);
          sums.set(row.channel, sum);
        }
        const [totals] = await receiptTotals(store);
        expect(BigInt(totals?.total ?? 0)).toBe(expected);
        expect(totals?.receipts ?? 0).toBe(n);
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

describe('coalescing', () => {
  test('above the rate, uses of one commit share a receipt that costs the same', async () => {
    const apart = setUp();
    const together = setUp(10);
    await apart.charge(...uses(1, 20));
    expect(await together.charge(...uses(1, 20))).toMatchObject([{ receipts: 1 }]);
    const [row] = rows(together.store);
    expect(JSON.parse(row!.usage)).toMatchObject({ inference: 20, byte_in: 20 * 512 });
    expect(row!.request_id).toContain(`${use(1).requestId}…${use(20).requestId}#`);
    expect(row!.cumulative).toBe(rows(apart.store).at(-1)!.cumulative);
    expect(together.meter.stats()).toEqual({ uses: 20, coalesced: 20 });
  });

  test('ends when the rate falls', async () => {
    const { clock, charge } = setUp(10);
    await charge(...uses(1, 20));
    clock.advance(2000);
    expect(await charge(use(21), use(22))).toMatchObject([{ receipts: 2 }]);
  });

  test('keeps models apart', async () => {
    const { store, charge } = setUp(0);
    const other = { name: 'other', version: '2', sha256: 'cd'.repeat(32) };
    await charge(use(1), use(2), use(3, { model: other }), use(4, { model: other }));
    expect((await listReceipts(store)).map((r) => [r.model, r.usage.inference])).toEqual([
      ['other@2', 2],
      ['streaming-anomaly@1.0.0', 2],
    ]);
  });
});

describe('while the time is not known', () => {
  test('uses wait, and become receipts with their true time', async () => {
    const { clock, store, meter, charge } = setUp();
    clock.setSynced(false);
    clock.set(5_000); // 1970
    expect(await charge(use(1, { startedAt: clock.now() }))).toMatchObject([{ receipts: 0, pending: 1 }]);
    expect(await charge(use(1, { startedAt: clock.now() }))).toMatchObject([{ pending: 0, repeated: 1 }]);
    clock.advance(60_000);
    await charge(use(2, { startedAt: clock.now() }));
    expect(rows(store)).toEqual([]);
    clock.set(Date.UTC(2026, 5, 2));
    clock.setSynced(true);
    clock.advance(1_000);
    const [op] = meter.charge([use(9)]);
    const { time } = op!.args as ChargeArgs;
    const args = { book, tariff: tariff.json, limit: 10, time };
    expect(await store.commit({ ops: [{ op: 'billing.finalise', args }] })).toEqual([2]);
    expect(rows(store).map((r) => r.started_at)).toEqual([
      Date.UTC(2026, 5, 2) - 60_000,
      Date.UTC(2026, 5, 2),
    ]);
    const restarted = { ...args, time: { ...time, boot: 'another' } };
    expect(await store.commit({ ops: [{ op: 'billing.finalise', args: restarted }] })).toEqual([0]);
    expect(await charge(use(1), use(3))).toMatchObject([{ receipts: 1, repeated: 1 }]);
  });
});

test('a hash follows on the one before it', async () => {
  const { store, charge } = setUp();
  await charge(...uses(1, 3));
  const found = await store.query<{ prevHash: Uint8Array | null }>('billing.evidence', { id: '1:2' });
  expect(sameBytes(found.prevHash!, rows(store)[0]!.hash)).toBe(true);
  const first = await store.query<{ prevHash: Uint8Array | null }>('billing.evidence', { id: '1:1' });
  expect(first.prevHash ?? ZERO_WORD).toEqual(ZERO_WORD);
});

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { BookKey } from '../../gateway/billing/book-rows.ts';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import type { Space } from '../../gateway/billing/metering/space.ts';
import { Poster } from '../../gateway/billing/posting/poster.ts';
import { Settler } from '../../gateway/billing/posting/settler.ts';
import {
  listReceipts,
  receiptTotals,
  showReceipt,
  verifyReceipt,
} from '../../gateway/billing/receipts/receipts.ts';
import { amountOf, DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { moduleStore } from './harness.ts';
import { ledgerInMemory } from './ledger-in-memory.ts';
import { use, uses } from './uses.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));
const LEDGER = { chainId: 31337, address: `0x${'0a'.repeat(20)}` };
const MIB = 2 ** 20;
const AWAY = { ok: false, code: 'unreachable', reason: 'no answer' } as const;

/** A gateway's billing on a database file; with a ledger, one whose chain can be taken away. */
function setUp(ledger: typeof LEDGER, maxBytes: number) {
  const path = join(temporaryFolder(), 'billing.db');
  const store = moduleStore(path);
  store.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
  const clock = manualClock();
  const alarms = recordingAlarms();
  const book: BookKey = { ...ledger, device: signer.address };
  const tariff = DEFAULT_TARIFF;
  const meter = new ChannelMeter({
    book,
    token: NO_LEDGER.address,
    tariff,
    clock,
    coalesceAbove: 1e9,
    maxBytes,
  });
  const chain = ledgerInMemory(LEDGER);
  const rules = { maxReceipts: 10_000, maxAgeMs: 1e9, idleMs: 0, replaceAfterMs: 1e9, maxFee: 10n ** 12n };
  const poster = ledger === LEDGER ? new Poster({ store, chain, signer, book, clock, rules }) : undefined;
  const parts = { store, signer, book, tariff, clock, log: recordingLog(), alarms, poster };
  const settler = new Settler({ ...parts, keepMs: 90 * 86_400_000, maxBytes });
  onTestFinished(() => settler.stop());
  settler.start();
  let n = 0;
  let spent = 0n;
  return {
    ...{ store, clock, chain },
    raised: () => alarms.active().map(({ kind }) => kind),
    uses: () => n,
    spent: () => spent,
    async charge(count: number) {
      const made = uses(n + 1, n + count);
      n += count;
      for (const { computeUs, bytesIn, bytesOut } of made)
        spent += amountOf(tariff, {
          inference: 1,
          compute_us: computeUs,
          byte_in: bytesIn,
          byte_out: bytesOut,
        });
      await store.commit({ ops: meter.charge(made) });
    },
    /** Lets time pass, and what the settler then does come to its end. */
    async pass(ms: number) {
      clock.advance(ms);
      for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
    },
    /** Lets seconds pass until the chain holds all for good. Trees are built in a thread, which takes true time. */
    posted: () =>
      until(async () => {
        clock.advance(1000);
        const sums = store.db.prepare('SELECT count(*) AS n FROM billing_sums').get()!.n;
        const [book] = await receiptTotals(store);
        return book!.final === book!.receipts && sums === 0;
      }, 'all receipts to be final'),
    space: () => store.query<Space>('billing.space', { maxBytes }),
    /** Bytes of all pages that hold something. */
    used() {
      const number = (name: string) => Number(Object.values(store.db.prepare(`PRAGMA ${name}`).get()!)[0]);
      return (number('page_count') - number('freelist_count')) * number('page_size');
    },
    fileBytes() {
      store.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      return statSync(path).size;
    },
  };
}

const used = async (store: Parameters<typeof listReceipts>[0]) => {
  let sum = 0;
  let before: { book: number; ordinal: number } | undefined;
  for (;;) {
    const page = await listReceipts(store, { limit: 1000, ...(before && { before }) });
    if (page.length === 0) return sum;
    for (const receipt of page) sum += receipt.usage.inference ?? 0;
    const [book, ordinal] = page.at(-1)!.place.split(':').map(Number);
    before = { book: book!, ordinal: ordinal! };
  }
};

test('30 days without a chain at 1,000 inferences a second stay within the bound', async () => {
  const limit = 4 * MIB;
  const it = setUp(LEDGER, limit);
  it.chain.answer = AWAY;
  const seen: string[] = [];
  const tell = async (what: string) => {
    const { bytes, waiting, slotMs } = await it.space();
    const slot = slotMs === 0 ? 'one per inference' : slotMs === 60_000 ? 'one a minute' : 'one an hour';
    seen.push(
      `${what}: ${waiting} receipts, ${(bytes / MIB).toFixed(2)} MiB (pages ${(it.used() / MIB).toFixed(2)}), ${slot}`,
    );
    return slotMs;
  };
  // As it comes, until receipts become fewer: no less than half of the bound holds one per inference.
  let slot = 0;
  while (slot === 0) {
    for (let commit = 0; commit < 10; commit++) await it.charge(100);
    await it.pass(1000);
    ({ slotMs: slot } = await it.space());
  }
  await tell(`after ${it.uses()} inferences`);
  expect(it.raised()).toContain('receipts-backlog');
  expect(it.uses()).toBeGreaterThan(limit / 2 / 600);
  // From here what is kept follows from accounts and time alone, so a few inferences stand for a minute's 60,000.
  const MINUTES = 30 * 1440;
  for (let minute = 0; minute < MINUTES; ) {
    const step = slot === 60_000 ? 1 : 20;
    minute += step;
    await it.charge(2);
    await it.pass(step * 60_000);
    const now = await it.space();
    expect(now.bytes).toBeLessThanOrEqual(limit);
    if (now.slotMs !== slot) {
      slot = now.slotMs;
      await tell(`after ${(minute / 1440).toFixed(1)} days`);
    }
  }
  await tell('after 30 days');
  expect(it.used()).toBeLessThanOrEqual(limit);
  expect(it.fileBytes()).toBeLessThanOrEqual(limit);

  // The chain comes back: everything is posted, the alarm goes, and nothing was lost.
  it.chain.answer = undefined;
  await it.posted();
  await tell('after the chain came back');
  console.log(seen.join('\n'));
  const [totals] = await receiptTotals(it.store);
  expect(totals).toMatchObject({ pruned: 0, final: totals!.receipts });
  expect(BigInt(totals!.total)).toBe(it.spent());
  expect(await used(it.store)).toBe(it.uses());
  expect(it.raised()).not.toContain('receipts-backlog');
  expect((await verifyReceipt(it.store, `1:${totals!.receipts - 50}`)).kind).toBe('valid');
}, 120_000);

test('without a ledger the oldest receipts go, and the rest goes on as if they were there', async () => {
  const it = setUp(NO_LEDGER, MIB);
  for (let second = 0; second < 30; second++) {
    await it.charge(200);
    await it.pass(1000);
    expect((await it.space()).bytes).toBeLessThanOrEqual(MIB);
  }
  const [totals] = await receiptTotals(it.store);
  expect(totals).toMatchObject({ receipts: 6000, total: String(it.spent()) });
  expect(totals!.pruned).toBeGreaterThan(2000);
  expect(totals!.since).toBeGreaterThan(Date.UTC(2026, 5, 1));
  expect(it.used()).toBeLessThanOrEqual(1.2 * MIB);

  const first = totals!.pruned + 1;
  const oldest = await showReceipt(it.store, `1:${first}`);
  expect(oldest.verdict.kind).toBe('incomplete'); // signed and chained to one that is gone, in no batch
  expect(oldest.proof.prevHash).not.toBe(`0x${'00'.repeat(32)}`);
  await expect(showReceipt(it.store, `1:${first - 1}`)).rejects.toMatchObject({
    code: 'RECEIPT_REMOVED',
    message: `Receipt 1:${first - 1} was made and is no longer kept.`,
  });
  await expect(verifyReceipt(it.store, '1:1')).rejects.toMatchObject({ code: 'RECEIPT_REMOVED' });
  await expect(verifyReceipt(it.store, use(1).requestId)).rejects.toMatchObject({
    code: 'RECEIPT_UNKNOWN',
    message: expect.stringContaining('oldest were removed') as string,
  });
  expect(it.raised()).not.toContain('receipts-backlog');
  const rows = (table: string) => Number(it.store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n);
  expect(rows('billing_heads')).toBeLessThan(100);
  expect(rows('billing_marks')).toBe(0);
});

test('with a ledger, settled receipts make room and the others stay', async () => {
  const it = setUp(LEDGER, MIB);
  for (let second = 0; second < 25; second++) {
    await it.charge(200);
    await it.posted();
  }
  it.chain.answer = AWAY;
  const [before] = await receiptTotals(it.store);
  expect(before!.pruned).toBeGreaterThan(1000);
  for (let second = 0; second < 25; second++) {
    await it.charge(200);
    await it.pass(1000);
    expect((await it.space()).bytes).toBeLessThanOrEqual(MIB);
  }
  const [after] = await receiptTotals(it.store);
  expect(after!.pruned).toBeLessThanOrEqual(after!.final);
  expect(it.raised()).toContain('receipts-backlog');
  it.chain.answer = undefined;
  await it.posted();
  await it.pass(1000);
  const [last] = await receiptTotals(it.store);
  expect(last).toMatchObject({ final: last!.receipts, total: String(it.spent()) });
  expect(it.raised()).toEqual([]);
  expect((await verifyReceipt(it.store, `1:${last!.receipts}`)).kind).toBe('valid');
});

test('uses that wait for the time are added up when they are many', async () => {
  const it = setUp(NO_LEDGER, MIB);
  it.clock.setSynced(false);
  it.clock.set(5_000);
  for (let second = 0; second < 60; second++) {
    await it.charge(100);
    await it.pass(1000);
  }
  expect((await it.space()).bytes).toBeLessThan(MIB / 4);
  it.clock.set(Date.UTC(2026, 5, 2));
  it.clock.setSynced(true);
  for (let i = 0; i < 10; i++) await it.pass(1000);
  const [totals] = await receiptTotals(it.store);
  expect(totals).toMatchObject({ pending: 0, pruned: 0, total: String(it.spent()) });
  expect(await used(it.store)).toBe(6000);
  const [sum] = await listReceipts(it.store, { limit: 1 });
  expect(sum!.usage.inference).toBeGreaterThan(1000);
  expect(sum!.startedAt).toBeLessThan(Date.UTC(2026, 5, 2));
  expect(sum!.startedAt).toBeGreaterThan(Date.UTC(2026, 5, 2) - 61_000);
});

test('with hardly any room left, uses wait in one sum per account and model until there is some', async () => {
  const it = setUp(LEDGER, MIB);
  it.chain.answer = AWAY;
  await it.charge(2_400); // one commit: more than fits below the last mark
  for (let hour = 0; hour < 200; hour++) {
    await it.charge(5);
    await it.pass(3_600_000);
  }
  const [away] = await receiptTotals(it.store);
  expect(away!.receipts).toBe(2_400);
  expect((await it.space()).bytes).toBeLessThanOrEqual(1.1 * MIB); // one commit may be that large
  it.chain.answer = undefined;
  await it.posted();
  const [back] = await receiptTotals(it.store);
  expect(back).toMatchObject({ receipts: 2_401, final: 2_401, total: String(it.spent()) });
  const [sum] = await listReceipts(it.store, { limit: 1 });
  expect(sum!.usage.inference).toBe(1_000);
});

import { expect, test } from 'vitest';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { csvHeader, csvRow, exportProofs, exportReceipts } from '../../gateway/billing/receipts/export.ts';
import { Statement } from '../../gateway/billing/receipts/statement.ts';
import { verifyExport } from '../../gateway/billing/receipts/verify-export.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import { manualClock } from '../support/clock.ts';
import { type ModuleStore, moduleStore } from './harness.ts';
import { uses } from './uses.ts';

const DAY = 86_400_000;
const NOVEMBER = { from: Date.UTC(2026, 10, 1), to: Date.UTC(2026, 11, 1) };
const signer = deviceSigner(keccak(Buffer.from('a device')));

/** Receipts of two accounts, one every six hours from 30 October on; the last account has an awkward name. */
async function books(count: number): Promise<ModuleStore> {
  const store = moduleStore();
  const meter = new ChannelMeter({
    book: { ...NO_LEDGER, device: signer.address },
    token: NO_LEDGER.address,
    tariff: DEFAULT_TARIFF,
    clock: manualClock(),
    coalesceAbove: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  const all = uses(1, count).map((use, i) => ({
    ...use,
    startedAt: NOVEMBER.from - 2 * DAY + (i * DAY) / 4,
    account: i % 3 === 0 ? '=2+3,"x"' : 'consumer/shop',
  }));
  for (const use of all) await store.commit({ ops: meter.charge([use]) });
  return store;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of source) list.push(item);
  return list;
}

async function* lines(texts: readonly string[]): AsyncGenerator<string> {
  for (const text of texts) yield text.trimEnd();
}

test('exports a period, oldest first, page by page, and an account of it', async () => {
  const store = await books(1300);
  const all = await collect(exportReceipts(store, { from: 0, to: Number.MAX_SAFE_INTEGER }));
  expect(all).toHaveLength(1300);
  const month = await collect(exportReceipts(store, NOVEMBER));
  expect(month).toHaveLength(30 * 4);
  expect(month.map(({ time }) => time).toSorted()).toEqual(month.map(({ time }) => time));
  expect(month[0]).toMatchObject({ time: '2026-11-01T00:00:00.000Z', amount: '0.0001', state: 'OPEN' });
  const shop = await collect(exportReceipts(store, { ...NOVEMBER, account: 'consumer/shop' }));
  expect(shop).toHaveLength(80);
});

test('writes cells that no spreadsheet takes for a formula or a second column', async () => {
  const [receipt] = await collect(exportReceipts(await books(1), { from: 0, to: Number.MAX_SAFE_INTEGER }));
  const row = csvRow(receipt!);
  expect(row).toContain(`,"'=2+3,""x""",`);
  expect(row.endsWith('\r\n')).toBe(true);
  expect(csvHeader().split(',')).toHaveLength(19);
});

test('proofs of a period verify as a whole, and show when one is missing, repeated or changed', async () => {
  const store = await books(60);
  const proofs = await collect(exportProofs(store, NOVEMBER));
  expect(await verifyExport(lines(proofs))).toMatchObject({
    kind: 'incomplete',
    receipts: 52,
    incomplete: 52,
    channels: 2,
  });
  const without = proofs.toSpliced(20, 1);
  expect(await verifyExport(lines(without))).toMatchObject({ kind: 'invalid' });
  expect(await verifyExport(lines([...proofs, proofs.at(-1)!]))).toMatchObject({
    kind: 'invalid',
    problem: { line: 53 },
  });
  const changed = proofs.with(7, proofs[7]!.replace('"seq":', '"seq":1'));
  expect(await verifyExport(lines(changed))).toMatchObject({ kind: 'invalid', problem: { line: 8 } });
  expect(await verifyExport(lines([]))).toMatchObject({ kind: 'invalid' });
});

test('a statement adds up to the unit, on one page that loads nothing', async () => {
  const statement = new Statement(NOVEMBER);
  for await (const receipt of exportReceipts(await books(200), NOVEMBER)) statement.add(receipt);
  expect(statement.total).toBe(120n * 10n ** 14n);
  const page = statement.page('plant <7>');
  expect(page).not.toMatch(/<script|https?:|src=|@import|url\(/);
  expect(page).toContain('plant &#60;7&#62;');
  expect(page).toContain('<b>0.012 AIMX</b>');
  expect(page).toContain('2026-11-01 to 2026-11-30');
  expect(page.match(/<rect class="b0"/g)!.length).toBeGreaterThanOrEqual(30);
});

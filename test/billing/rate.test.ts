import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { RentMeter, rentedSeconds } from '../../gateway/billing/metering/rents.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { listReceipts, showReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { liveTariff } from '../../gateway/billing/tariff/live.ts';
import { type RateSnapshot, signRate } from '../../gateway/billing/tariff/snapshot.ts';
import {
  parseTariff,
  rate,
  requireRate,
  type Tariff,
  withRate,
} from '../../gateway/billing/tariff/tariff.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { moduleStore } from './harness.ts';
import { use } from './uses.ts';

const oracle = deviceSigner(keccak(Buffer.from('an oracle')));
const START = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;

const rateOf = (aimx: string, change: Partial<RateSnapshot> = {}, signer = oracle): RateSnapshot => {
  const fields = { currency: 'EUR', observedAt: START, validUntil: START + HOUR, source: 'a bank' };
  return signRate({ ...fields, aimx, ...change }, signer);
};
/** A third of a cent for an inference: what it is worth in AIMX has no end. */
const document = {
  version: 1,
  name: 'in euro',
  prices: { inference: '3333333333333333' },
  currency: { code: 'EUR', signer: oracle.address },
};
const tariff = parseTariff(document);
const THREE_AND_A_BIT = '3000000000000000001';

test('the rate is part of the hash that receipts commit to; what counts hang on is not', () => {
  const one = withRate(tariff, rateOf(THREE_AND_A_BIT));
  const two = withRate(one, rateOf('4000000000000000000'));
  expect(new Set([tariff, one, two].map(({ hash }) => Buffer.from(hash).toString('hex'))).size).toBe(3);
  expect(two.counting.hash).toEqual(tariff.counting.hash);
  expect(parseTariff(JSON.parse(one.json)).hash).toEqual(one.hash);
});

test('fractions of AIMX are carried over uses and rates', () => {
  const priced = withRate(tariff, rateOf(THREE_AND_A_BIT));
  let counted: ReturnType<typeof rate>['after'];
  let total = 0n;
  for (let i = 0; i < 1000; i++) {
    const { amount, after } = rate(priced, counted, { inference: 1 }, START);
    total += amount;
    counted = after;
  }
  expect(total).toBe((1000n * 3_333_333_333_333_333n * 3_000_000_000_000_000_001n) / 10n ** 18n);
});

test('nobody is let in by a rate that has ended, and none is priced by one', () => {
  const priced = withRate(tariff, rateOf(THREE_AND_A_BIT));
  const expired = expect.objectContaining({ code: 'RATE_EXPIRED' });
  requireRate(priced, START + HOUR);
  expect(() => requireRate(priced, START + HOUR + 1)).toThrow(expired);
  expect(() => requireRate(tariff, START)).toThrow(expired);
  // What was let in before may begin a little later.
  rate(priced, undefined, { inference: 1 }, START + HOUR + 60_000);
  expect(() => rate(priced, undefined, { inference: 1 }, START + 2 * HOUR)).toThrow(expired);
  requireRate(parseTariff({ version: 1, name: 'in AIMX' }), START);
});

test.each<[string, unknown]>([
  ['of another currency', rateOf('5', { currency: 'USD' })],
  ['by somebody else', rateOf('5', {}, deviceSigner(keccak(Buffer.from('somebody'))))],
  ['changed after it was signed', { ...rateOf('5'), aimx: '6' }],
  ['made longer after it was signed', { ...rateOf('5'), validUntil: START + 2 * HOUR }],
  ['of nothing', rateOf('0')],
  ['for a month', rateOf('5', { validUntil: START + 30 * 24 * HOUR })],
  ['that ends before it begins', rateOf('5', { validUntil: START - 1 })],
  ['that is none', { rate: 5 }],
])('takes no rate %s', (_, wrong) => {
  expect(() => withRate(tariff, wrong)).toThrow(expect.objectContaining({ code: 'RATE_INVALID' }));
  expect(() => parseTariff({ ...document, rate: wrong })).toThrow(/TARIFF_INVALID|RATE_INVALID|rate/i);
});

function setUp(of: Tariff, clock = manualClock()) {
  const store = moduleStore();
  const book = { ...NO_LEDGER, device: `0x${'11'.repeat(20)}` };
  const common = { book, token: NO_LEDGER.address, tariff: of, clock };
  const meter = new ChannelMeter({ ...common, coalesceAbove: 1e9, maxBytes: DEFAULT_MAX_BYTES });
  return { store, meter, clock };
}

test('receipts by a rate verify by themselves; when it ends the owner’s uses are counted without a price', async () => {
  const { store, meter, clock } = setUp(withRate(tariff, rateOf(THREE_AND_A_BIT)), manualClock(START));
  for (let n = 1; n <= 3; n++)
    await store.commit({ ops: meter.charge([use(n, { startedAt: clock.now() })]) });
  clock.advance(2 * HOUR);
  await store.commit({ ops: meter.charge([use(4, { startedAt: clock.now() })]) });
  const receipts = await listReceipts(store, { limit: 10 });
  expect(receipts.map(({ amount }) => amount)).toEqual([
    '0',
    '0.009999999999999999',
    '0.009999999999999999',
    '0.009999999999999999',
  ]);
  for (const { place } of receipts) {
    const { verdict, proof } = await showReceipt(store, place);
    expect(verdict).toMatchObject({ kind: 'incomplete', reason: 'no signed head yet' });
    const later = JSON.parse(proof.tariff).rate;
    expect(later === undefined).toBe(place.endsWith(':4'));
  }
});

test('a rate file is read when it changes; a wrong one is an alarm and the last rate stays', () => {
  const [folder, clock, alarms] = [temporaryFolder(), manualClock(START), recordingAlarms()];
  const files = { tariff: join(folder, 'tariff.json'), rate: join(folder, 'rate.json') };
  writeFileSync(files.tariff, JSON.stringify(document));
  let age = 0;
  const put = (content: unknown): void => {
    writeFileSync(files.rate, JSON.stringify(content));
    utimesSync(files.rate, 1000, 1000 + age++); // so that each differs, however coarse the file system's times are
  };
  const live = liveTariff(files, clock, alarms);
  const kinds = () => alarms.active().map(({ kind, severity }) => `${kind} ${severity}`);
  expect(kinds()).toEqual(['tariff-rate critical']);
  put(rateOf('5'));
  live.refresh();
  expect([live.exchange?.aimx, kinds()]).toEqual([5n, []]);
  put(rateOf('6', {}, deviceSigner(keccak(Buffer.from('somebody')))));
  live.refresh();
  expect([live.exchange?.aimx, kinds()]).toEqual([5n, ['tariff-rate warning']]);
  put(rateOf('7'));
  live.refresh();
  expect([live.exchange?.aimx, kinds()]).toEqual([7n, []]);
  clock.advance(2 * HOUR);
  live.refresh();
  expect(kinds()).toEqual(['tariff-rate critical']);
});

test('a rented share is a receipt a minute, billed once, and exact over any time', async () => {
  const minutes = Array.from({ length: 1000 }, (_, slot) => rentedSeconds(29_000_000 + slot, 7));
  const sum = minutes.reduce((total, seconds) => total + seconds, 0);
  expect(Math.abs(sum - 1000 * 60 * 0.07)).toBeLessThan(1);
  expect(new Set(minutes)).toEqual(new Set([4, 5]));

  const { store, meter, clock } = setUp(
    parseTariff({ version: 1, name: 'r', fixed: '9', prices: { rent_s: '10' } }),
  );
  const rents = new RentMeter([{ account: 'consumer/ann', share: 25 }], { store, meter, clock });
  const slot = Math.floor(START / 60_000);
  await rents.bill(slot);
  await rents.bill(slot);
  await rents.bill(slot + 1);
  const receipts = await listReceipts(store, { limit: 10 });
  expect(receipts).toMatchObject([
    { account: 'consumer/ann', seq: 2, usage: { rent_s: 15 }, cumulative: '0.0000000000000003' },
    { seq: 1, usage: { rent_s: 15 }, requestId: `rent/consumer/ann/${slot}` },
  ]);
});

test('rents are billed when a minute is over, until they are stopped', async () => {
  const { store, meter, clock } = setUp(parseTariff({ version: 1, name: 'r', prices: { rent_s: '10' } }));
  clock.set(START + 30_000);
  const rents = new RentMeter([{ account: 'a', share: 50 }], { store, meter, clock });
  rents.start((error) => expect.unreachable(String(error)));
  clock.advance(29_000);
  await rents.stop();
  expect(await listReceipts(store)).toEqual([]);
  rents.start((error) => expect.unreachable(String(error)));
  clock.advance(61_000);
  await rents.stop();
  clock.advance(600_000);
  const minute = START / 60_000;
  const ids = (await listReceipts(store)).map(({ requestId }) => requestId);
  expect(ids).toEqual([`rent/a/${minute + 1}`, `rent/a/${minute}`].slice(-ids.length));
  expect(ids.length).toBeGreaterThan(0);
});

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BILLING_MODULE, createBilling } from '../../gateway/billing/index.ts';
import type { ChargeArgs } from '../../gateway/billing/metering/metering-ops.ts';
import {
  listReceipts,
  openReceiptFile,
  receiptTotals,
  showReceipt,
} from '../../gateway/billing/receipts/receipts.ts';
import { textCodec } from '../../gateway/store/codecs.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { use, uses } from './uses.ts';

const RESULTS = '$result/p';

async function gateway(dir: string) {
  const parts = { clock: systemClock(), log: recordingLog(), alarms: recordingAlarms() };
  const store = openStore({ dir, durability: 'full', modules: [BILLING_MODULE], ...parts });
  const results = store.stream<string>(RESULTS, {
    codec: textCodec,
    maxBytes: 1e7,
    maxAgeMs: 1e9,
    whenFull: 'drop-oldest',
    maxDevices: 10,
    internal: true,
  });
  await store.start(AbortSignal.timeout(20_000));
  const billing = createBilling({ config: undefined, dataDir: dir, store, chain: undefined, ...parts });
  await billing.start(AbortSignal.timeout(20_000));
  const stop = async () => {
    await billing.stop();
    await store.stop();
  };
  onTestFinished(stop);
  return { store, results, billing, stop };
}

const append = (text: string) => ({
  stream: RESULTS,
  records: [{ device: 'd', time: 1, flags: 0, value: text }],
});

test('a result and its receipt commit together or not at all, and survive a restart', async () => {
  const dir = temporaryFolder();
  const first = await gateway(dir);
  await first.store.commit({ appends: [append('one')], ops: first.billing.meter.charge([use(1)]) });
  const [op] = first.billing.meter.charge([use(1, { request: 'another' })]);
  const strict = { op: op!.op, args: { ...(op!.args as ChargeArgs), onConflict: 'error' } };
  const refused = first.store.commit({ appends: [append('two')], ops: [strict] });
  const beside = first.store.commit({
    appends: [append('three')],
    ops: first.billing.meter.charge([use(3)]),
  });
  await expect(refused).rejects.toMatchObject({ code: 'BILLING_CONFLICT' });
  await beside;
  expect(first.results.head).toBe(2);
  await until(async () => (await showReceipt(first.store, '1:2')).proof.signature !== null, 'a signed head');
  await first.stop();

  const second = await gateway(dir);
  await second.store.commit({ ops: second.billing.meter.charge(uses(3, 4)) });
  const receipts = await listReceipts(second.store);
  expect(receipts.map((r) => [r.seq, r.requestId])).toEqual([
    [3, use(4).requestId],
    [2, use(3).requestId],
    [1, use(1).requestId],
  ]);
  expect(receipts.every((r) => r.state === 'OPEN')).toBe(true);
});

test('receipts can be read from the file beside a running gateway', async () => {
  const dir = temporaryFolder();
  const { store, billing } = await gateway(dir);
  await store.commit({ ops: billing.meter.charge(uses(1, 5)) });
  const reader = openReceiptFile(join(dir, 'gateway.db'));
  onTestFinished(() => reader.close());
  expect(await listReceipts(reader, { limit: 2 })).toEqual(await listReceipts(store, { limit: 2 }));
  expect(await receiptTotals(reader)).toMatchObject([{ receipts: 5, posted: 0 }]);
  await expect(showReceipt(reader, '1:6')).rejects.toMatchObject({ code: 'RECEIPT_UNKNOWN' });
});

import { expect, onTestFinished, test } from 'vitest';
import { BILLING_MODULE, createBilling, ReceiptFeed } from '../../gateway/billing/index.ts';
import { listReceipts } from '../../gateway/billing/receipts/receipts.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { openReceipts } from '../../gateway/system/document-streams.ts';
import { readAll } from '../store/support.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { uses } from './uses.ts';

const signal = () => AbortSignal.timeout(20_000);

async function gateway(dir: string) {
  const parts = { clock: systemClock(), log: recordingLog(), alarms: recordingAlarms() };
  const store = openStore({ dir, durability: 'normal', modules: [BILLING_MODULE], ...parts });
  const stream = openReceipts(store, configSchema.parse({}));
  await store.start(signal());
  const billing = createBilling({ config: undefined, dataDir: dir, store, chain: undefined, ...parts });
  await billing.start(signal());
  const feed = new ReceiptFeed({ gateway: 'gw', store, stream, ...parts });
  await feed.start();
  const stop = async () => {
    await feed.stop();
    await billing.stop();
    await store.stop();
  };
  onTestFinished(stop);
  return { store, stream, billing, stop };
}

test('every receipt becomes one document with a stable id, in order, also over a restart', async () => {
  const dir = temporaryFolder();
  const first = await gateway(dir);
  await first.store.commit({ ops: first.billing.meter.charge(uses(1, 700)) });
  await until(() => first.stream.head === 700, 'the first receipts');
  await first.store.commit({
    ops: first.billing.meter.charge(uses(701, 705, { account: 'pipeline/other' })),
  });
  await first.stop();

  const second = await gateway(dir);
  await second.store.commit({ ops: second.billing.meter.charge(uses(706, 710)) });
  await until(() => second.stream.head >= 710, 'the rest');
  const records = await readAll(second.stream);
  const documents = records.map(({ value }) => JSON.parse(value) as Record<string, unknown>);
  const receipts = (await listReceipts(second.store, { limit: 1000 })).reverse();
  expect(documents.map(({ hash }) => hash)).toEqual(receipts.map(({ hash }) => hash));
  expect(new Set(documents.map(({ id }) => id)).size).toBe(710);
  expect(documents[0]).toEqual({
    id: `gw/receipt/${receipts[0]!.hash}`,
    place: '1:1',
    time: receipts[0]!.startedAt,
    account: 'owner',
    seq: 1,
    requestId: receipts[0]!.requestId,
    model: { name: 'streaming-anomaly', version: '1.0.0', sha256: expect.any(String) },
    usage: receipts[0]!.usage,
    computeUs: 121,
    amount: receipts[0]!.amount,
    cumulative: receipts[0]!.cumulative,
    hash: receipts[0]!.hash,
  });
  expect(records[700]).toMatchObject({ device: 'pipeline/other', deviceSeq: 1 });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { configSchema } from '../../gateway/config/schema.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { recordingLog } from '../support/log.ts';
import { MqttSocket } from '../support/mqtt-socket.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

async function run(dataDir: string, more: Record<string, unknown>) {
  const config = configSchema.parse({
    gateway: { name: 'gw', dataDir },
    listen: { mqtt: { port: 0 }, coap: { port: 0 }, http: { port: 0 } },
    auth: { anonymous: true },
    durability: 'normal',
    streams: [{ id: 't', decode: 'text' }],
    ...more,
  });
  const gateway = createGateway({ config, log: recordingLog() });
  onTestFinished(() => gateway.stop());
  await gateway.start(AbortSignal.timeout(30_000));
  const audit = async () => new Map((await gateway.views.audit()).map((row) => [row.stream, row]));
  return { gateway, audit };
}

async function publish(address: string, count: number): Promise<void> {
  const client = await MqttSocket.connect(address);
  for (let id = 1; id <= count; id++) client.publish('aimx/s/t/oven', String(20 + (id % 7)), 1, id);
  await until(() => client.of('puback').length === count, 'every acknowledgement');
  client.end();
}

test('what was taken out of the configuration holds nothing back, and receipts go upstream before', async () => {
  const folder = temporaryFolder();
  const dataDir = join(folder, 'data');
  const file = join(folder, 'sent.ndjson');
  const first = await run(dataDir, {
    pipelines: [
      { id: 'first', from: 't', window: { count: 64, every: 1 }, model: 'streaming-anomaly' },
      { id: 'second', from: 'first', window: { count: 64, every: 1 }, model: 'streaming-anomaly' },
    ],
    upstream: [{ id: 'kept', file: { path: file }, send: ['readings', 'results', 'receipts'] }],
  });
  await publish(first.gateway.addresses[0]!, 80);
  const sent = (kind: string) =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line.includes(`"id":"gw/${kind}/`))
      : [];
  await until(
    () => sent('first').length === 17 && sent('receipt').length === 17,
    'results and receipts',
    20_000,
  );
  const receipts = sent('receipt').map((line) => JSON.parse(line) as { account: string; seq: number });
  expect(receipts.map(({ account, seq }) => [account, seq])).toEqual(
    Array.from({ length: 17 }, (_, i) => ['pipeline/first', i + 1]),
  );
  expect(
    (await first.audit())
      .get('t')!
      .consumers.map(({ consumer }) => consumer)
      .sort(),
  ).toEqual(['pipeline/first', 'upstream/kept']);
  await first.gateway.stop();

  const second = await run(dataDir, {});
  await publish(second.gateway.addresses[0]!, 5);
  const audit = await second.audit();
  expect(audit.get('t')).toMatchObject({
    accepted: 85,
    forwarded: 85,
    pending: 0,
    consumers: [],
    holds: true,
  });
  expect(audit.get('$result/first')).toMatchObject({ accepted: 17, pending: 0, consumers: [], holds: true });
  expect([...audit.values()].every(({ holds }) => holds)).toBe(true);
}, 60_000);

test('`live` says whether commits end, `ready` whether everything runs', async () => {
  const { gateway } = await run(temporaryFolder(), {});
  expect(gateway.views.health()).toEqual({ live: true, ready: true, reasons: [] });
  await gateway.stop();
  expect(gateway.views.health()).toMatchObject({ live: true, ready: false });
});

/**
 * Overload: asks a model for ten times what it can do, over MQTT and HTTP, while devices publish readings, and compares
 * what the devices see (publish to PUBACK) with what they saw before.
 *
 *     node test/fault/overload.ts --seconds 10 --rate 500 --times 10
 *
 * Passes when every request was answered, what was too much with QUEUE_FULL or DEADLINE, no reading was lost, and the
 * devices' p99 is at most twice what it was, or 20 ms.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import type { StatusView } from '../../gateway/http/views.ts';
import { writeBundle } from '../inference/bundles.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { loopingModel } from '../support/onnx.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';

const options = numbers({ seconds: 10, rate: 500, times: 10, loops: 20_000, clients: 8 });
const folder = mkdtempSync(join(tmpdir(), 'aimx-overload-'));
writeBundle(join(folder, 'data/models'), {
  name: 'slow',
  model: loopingModel(),
  manifest: {
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 1], from: 'request' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 1] }],
    limits: { maxBatch: 1, deadline: '2s' },
  },
});
const ports = await freePorts();
writeConfig(folder, ports, {
  gateway: { name: 'overload', dataDir: './data' },
  streams: [{ id: 'load', fields: { n: {} } }],
  serving: { maxInFlight: 256 },
});
const gateway = await startGatewayProcess(folder, ports);
const url = `mqtt://127.0.0.1:${ports.mqtt}`;
const body = (id: string): string =>
  `{"id":"${id}","inputs":[{"name":"input","shape":[1,1],"datatype":"FP32","data":[${options.loops}]}]}`;

/** Publishes readings at the rate for some seconds; answers the times to PUBACK, sorted. */
async function ingest(device: MqttClient, seconds: number): Promise<number[]> {
  const times: number[] = [];
  let sent = 0;
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - begun;
      if (elapsed > seconds * 1000) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (; sent < (elapsed / 1000) * options.rate; sent++) {
        const at = performance.now();
        device.publish('aimx/s/load/d1', `{"n":${sent}}`, { qos: 1 }, () =>
          times.push(performance.now() - at),
        );
      }
    }, 5);
  });
  await until(() => times.length === sent, 'the acknowledgements', 30_000);
  return times.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], q: number): number =>
  Number((sorted[Math.floor(q * (sorted.length - 1))] ?? 0).toFixed(2));

const over = { sent: 0, results: 0, codes: {} as Record<string, number> };
const note = (text: string): void => {
  const code = /"code":"([A-Z_]+)"/.exec(text)?.[1];
  if (code === undefined) over.results++;
  else over.codes[code] = (over.codes[code] ?? 0) + 1;
};
const answered = (): number => over.results + Object.values(over.codes).reduce((sum, n) => sum + n, 0);

const http = async (id: string): Promise<void> => {
  const response = await fetch(`http://127.0.0.1:${ports.http}/v2/models/slow/infer`, {
    ...{ method: 'POST', body: body(id) },
  });
  note(await response.text());
};

let passed = false;
try {
  const device = await connectAsync(url, { clientId: 'device' });
  // What it can do: one after another, each as soon as the one before is answered.
  await http('warm');
  const begun = performance.now();
  let alone = 0;
  for (; performance.now() - begun < 2000; alone++) await Promise.all([http(`a${alone}`), http(`b${alone}`)]);
  const capacity = (2 * alone * 1000) / (performance.now() - begun);
  const before = await ingest(device, options.seconds);

  Object.assign(over, { sent: 0, results: 0, codes: {} });
  const askers = await Promise.all(
    Array.from({ length: options.clients }, async (_, i) => {
      const client = await connectAsync(url, { clientId: `asker-${i}` });
      client.on('message', (_topic, payload) => note(payload.toString()));
      await client.subscribeAsync(`aimx/reply/asker-${i}`, { qos: 1 });
      return client;
    }),
  );
  const start = performance.now();
  const flood = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * capacity * options.times;
    for (; over.sent < due; over.sent++) {
      const id = `flood-${over.sent}`;
      if (over.sent % 8 === 0) void http(id);
      else askers[over.sent % askers.length]!.publish('aimx/infer/slow', body(id), { qos: 0 });
    }
  }, 5);
  const during = await ingest(device, options.seconds);
  clearInterval(flood);
  await until(() => answered() === over.sent, 'an answer to every request', 30_000).catch(() => undefined);
  const status = await gateway.api<StatusView>('/api/v1/status');
  const report = {
    capacityPerSecond: Math.round(capacity),
    asked: over.sent,
    unanswered: over.sent - answered(),
    ...{ results: over.results, refused: over.codes },
    pubackMs: {
      before: { p50: quantile(before, 0.5), p99: quantile(before, 0.99) },
      during: { p50: quantile(during, 0.5), p99: quantile(during, 0.99) },
    },
    readings: { sent: before.length + during.length, stored: status.streams[0]!.records },
  };
  const allowed = Math.max(20, 2 * report.pubackMs.before.p99);
  passed =
    report.unanswered === 0 &&
    report.readings.sent === report.readings.stored &&
    report.pubackMs.during.p99 <= allowed;
  console.log(JSON.stringify({ ...options, ...report }, null, 1));
  console.log(passed ? 'passed' : 'FAILED');
  await Promise.all([device, ...askers].map((client) => client.endAsync(true)));
} finally {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(passed ? 0 : 1);

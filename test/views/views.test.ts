import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configSchema } from '../../gateway/config/schema.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { StoreHealth } from '../../gateway/store/types.ts';
import { createViews, type ViewParts } from '../../gateway/views/index.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { freePorts } from '../support/gateway-process.ts';
import { recordingLog } from '../support/log.ts';
import { MqttSocket } from '../support/mqtt-socket.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const WINDOW = 64;

describe('health', () => {
  const healthy: StoreHealth = {
    full: false,
    commits: 1,
    lastCommitMs: 1,
    commitWaitMs: 0,
    recordsPerCommit: 1,
    damagedRecords: 0,
    quarantined: [],
    fileBytes: 4096,
  };

  function viewsOf(health: Partial<StoreHealth> = {}) {
    const alarms = recordingAlarms();
    const config = { pipelines: [], streams: [] };
    // Health asks nothing of the other parts.
    const parts = {
      config,
      clock: manualClock(),
      log: recordingLog(),
      alarms,
      store: { health: { ...healthy, ...health } },
    };
    return { views: createViews(parts as unknown as ViewParts), alarms };
  }

  it('is ready from the moment everything runs until it begins to stop', () => {
    const { views } = viewsOf();
    expect(views.health()).toEqual({ live: true, ready: false, reasons: ['the gateway is starting'] });
    views.ready();
    expect(views.health()).toEqual({ live: true, ready: true, reasons: [] });
    views.stopping();
    expect(views.health()).toEqual({ live: true, ready: false, reasons: ['the gateway is stopping'] });
  });

  it('is not ready while nothing can be stored, and not alive when the disk hangs', () => {
    const full = viewsOf({ full: true }).views;
    full.ready();
    expect(full.health()).toMatchObject({ live: true, ready: false });
    const slow = viewsOf({ commitWaitMs: 29_000 }).views;
    expect(slow.health().live).toBe(true);
    const stuck = viewsOf({ commitWaitMs: 31_000 }).views;
    expect(stuck.health().live).toBe(false);
  });

  it('names what is critical, and nothing less', () => {
    const { views, alarms } = viewsOf();
    views.ready();
    alarms.raise({ kind: 'a', severity: 'warning', message: 'not that bad', fix: '' });
    alarms.raise({ kind: 'b', severity: 'critical', message: 'that bad', fix: '' });
    expect(views.health()).toEqual({ live: true, ready: true, reasons: ['that bad'] });
  });
});

it('shows what a running gateway did: readings, results, what waits and what was put aside', async () => {
  const folder = temporaryFolder();
  const { http: nobody } = await freePorts();
  const config = configSchema.parse({
    gateway: { name: 'gw', dataDir: join(folder, 'data') },
    listen: { mqtt: { port: 0 }, coap: { port: 0 }, http: { port: 0 } },
    auth: { anonymous: true },
    durability: 'normal',
    streams: [{ id: 't', decode: 'text', fields: { value: {} } }, { id: 'silent' }],
    pipelines: [{ id: 'p', from: 't', window: { count: WINDOW, every: 1 }, model: 'streaming-anomaly' }],
    upstream: [
      { id: 'away', http: { url: `http://127.0.0.1:${nobody}/` }, send: ['readings'] },
      { id: 'file', file: { path: join(folder, 'out.ndjson') }, send: ['readings', 'results'] },
    ],
  });
  const gateway = createGateway({ config, log: recordingLog() });
  onTestFinished(() => gateway.stop());
  await gateway.start(AbortSignal.timeout(30_000));
  const { views } = gateway;
  const client = await MqttSocket.connect(gateway.addresses[0]!);
  onTestFinished(() => client.end());
  const count = WINDOW + 29;
  for (let n = 1; n <= count; n++) client.publish('aimx/s/t/oven', String(20 + (n % 7)), 1, n);
  client.publish('aimx/s/t/mixer', '3', 1, count + 1);
  client.publish('aimx/s/t/mixer', 'no number', 1, count + 2);
  await until(() => client.of('puback').length === count + 2, 'every acknowledgement');
  const sink = (id: string) => views.status().upstream.find((one) => one.id === id)!;
  await until(() => views.status().pipelines[0]?.results === 30, 'the results', 20_000);
  await until(() => sink('file').sent === count + 1 + 30 && sink('away').lastError !== null, 'the sinks');

  const status = views.status();
  expect(status).toMatchObject({ gateway: 'gw', state: 'ready', durability: 'normal', unrouted: 0 });
  expect(status.connections).toBe(1);
  expect(status.streams).toMatchObject([
    { id: 't', accepted: count + 1, rejected: 1, refused: 0, devices: 2, records: count + 1 },
    { id: 'silent', accepted: 0, rejected: 0, devices: 0, records: 0, lastArrival: null },
  ]);
  expect(status.pipelines).toMatchObject([
    { id: 'p', from: ['t'], results: 30, failed: 0, shed: 0, pending: 0 },
  ]);
  expect(sink('away')).toMatchObject({
    kind: 'http',
    connected: false,
    sent: 0,
    backlog: count + 1,
    dropped: 0,
    lastError: 'ECONNREFUSED',
  });
  expect(sink('file')).toMatchObject({
    kind: 'file',
    connected: true,
    backlog: 0,
    oldest: null,
    lastError: null,
  });
  // The newest 20, newest first.
  expect(status.results).toHaveLength(20);
  const times = status.results.map(({ time }) => time);
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(status.results[0]?.id).toMatch(/^gw\/p\/oven\/\d+-93$/);

  expect(views.devices({ limit: 10 })).toMatchObject([
    { name: 'mixer', role: null, streams: [{ stream: 't', readings: 1 }] },
    { name: 'oven', role: null, streams: [{ stream: 't', readings: count }] },
  ]);
  expect(views.devices({ limit: 1 })).toHaveLength(1);
  expect(views.devices({ limit: 10, stream: 'silent' })).toEqual([]);
  expect(views.results({ limit: 5, device: 'oven' })).toEqual([status.results[0]]);
  expect(views.results({ limit: 5, device: 'nobody' })).toEqual([]);
  const rejected = await views.rejected({ limit: 5 });
  expect(rejected).toMatchObject([
    { stream: 't', seq: 1, door: 'mqtt', address: 'aimx/s/t/mixer', bytes: 9 },
  ]);
  expect(await views.rejected({ limit: 5, stream: 'silent' })).toEqual([]);
  expect(views.models().find(({ name }) => name === 'streaming-anomaly')).toMatchObject({ failed: 0 });
  const t = (await views.audit()).find(({ stream }) => stream === 't');
  expect(t).toMatchObject({ accepted: count + 2, rejected: 1, pending: count + 1, holds: true });
});

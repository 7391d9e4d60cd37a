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

  const { signal } = new AbortController();
  const all = await views.devices({ limit: 10, sort: 'name' });
  expect(all).toMatchObject({
    total: 2,
    next: null,
    entries: [
      { name: 'mixer', role: null, readings: 1, streams: [{ stream: 't', readings: 1 }] },
      { name: 'oven', role: null, readings: count, streams: [{ stream: 't', readings: count }] },
    ],
  });
  const first = await views.devices({ limit: 1, sort: 'name' });
  expect(first).toMatchObject({ total: 2, next: 'mixer', entries: [{ name: 'mixer' }] });
  const second = await views.devices({ limit: 1, sort: 'name', after: first.next! });
  expect(second).toMatchObject({ next: null, entries: [{ name: 'oven' }] });
  expect((await views.devices({ limit: 9, sort: 'seen', search: 'OVE' })).entries).toHaveLength(1);
  expect((await views.devices({ limit: 10, stream: 'silent', sort: 'name' })).entries).toEqual([]);
  const oven = await views.device('oven');
  expect(oven.newest).toMatchObject([{ stream: 't', fields: [{ name: 'value', unit: null, size: null }] }]);
  expect(oven.results).toMatchObject([{ pipeline: 'p', device: 'oven' }]);
  await expect(views.device('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });

  const streams = await views.streams();
  expect(streams[0]).toMatchObject({ id: 't', decode: 'text', pipelines: ['p'], accepted: count + 1 });
  const history = await views.readings('t', { points: 32 }, signal);
  expect(history).toMatchObject({ records: count + 1, read: count + 1, complete: true, devicesLeftOut: 0 });
  expect(history.series.map(({ device, count: n }) => [device, n])).toEqual([
    ['mixer', 1],
    ['oven', count],
  ]);
  expect(history.series[1]).toMatchObject({ kind: 'extremes', min: 20, max: 26 });
  expect(history.series[1]!.times.length).toBeLessThanOrEqual(32);
  const period = await views.readings(
    't',
    { device: 'oven', points: 1000, from: history.from, to: history.to },
    signal,
  );
  expect(period.series).toMatchObject([{ kind: 'points', count, values: { length: count } }]);
  const past = await views.readings('t', { points: 16, from: 0, to: 1000 }, signal);
  expect(past).toMatchObject({ series: [], complete: true });
  await expect(views.readings('nothing', { points: 16 }, signal)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });

  expect(views.pipelines()).toMatchObject([
    { id: 'p', windows: 30, queueMax: 10_000, latency: { count: 30 } },
  ]);
  expect(views.pipelines()[0]!.latency.counts.reduce((sum, n) => sum + n, 0)).toBe(30);
  const page = await views.pipelineResults('p', { limit: 20, notable: false });
  expect(page.results.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => 30 - i));
  const rest = await views.pipelineResults('p', { limit: 20, notable: false, before: page.before! });
  expect([rest.results.length, rest.before]).toEqual([10, null]);
  expect((await views.pipelineResults('p', { limit: 5, notable: false, device: 'mixer' })).results).toEqual(
    [],
  );

  expect(views.upstream()).toMatchObject([
    { id: 'away', to: `http://127.0.0.1:${nobody}`, backlog: count + 1, quotaBytes: 512 * 1024 ** 2 },
    { id: 'file', forecast: { state: 'empty' } },
  ]);
  expect(views.overview()).toMatchObject({
    in: { accepted: count + 1, streams: 2, devices: 2, connections: 1 },
    decided: { results: 30 },
    up: { sinks: 2, connected: 1, backlog: count + 1 },
    owed: { symbol: 'AIMX' },
  });
  expect(views.modelFamily('streaming-anomaly').pipelines).toEqual(['p']);
  expect(views.modelComparison('streaming-anomaly').live).toMatchObject({ life: 'live', items: 30 });
  expect(() => views.modelFamily('none')).toThrow(expect.objectContaining({ code: 'MODEL_MISSING' }));
  await until(async () => (await views.receipts({ limit: 9 })).length > 0, 'a receipt');
  const [receipt] = await views.receipts({ limit: 1 });
  const place = (receipt as unknown as { place: string }).place;
  expect(await views.receipt(place)).toMatchObject({ place, account: 'pipeline/p', transaction: null });
  expect(JSON.parse(await views.receiptProof(place))).toMatchObject({ format: 'aimx-receipt-proof/1' });
  expect((await views.billing()).accounts).toMatchObject([{ account: 'pipeline/p' }]);
  expect(await views.bench()).toEqual([]);
  await expect(views.benchReport('../x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
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

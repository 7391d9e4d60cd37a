import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../models/training/random.ts';
import { type Condition, vibration } from '../../models/vibration-condition/generate.ts';
import { writeBundle } from '../inference/bundles.ts';
import { testData } from '../support/data.ts';
import { type GatewayProcess, ROOT } from '../support/gateway-process.ts';
import { type NodeRed, startNodeRed } from '../support/node-red.ts';
import { SILERO, samplesOf } from '../support/silero.ts';
import { keptFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { device, minute, startGateway } from './palette/harness.ts';

/** Each example flow as it is in the folder, imported into a Node-RED, against a gateway, with real messages. */

const EXAMPLES = join(ROOT, 'flows/examples');
const SPEECH = testData('silero-vad');

const climate = ['temperature', 'humidity', 'co2', 'light', 'motion'];
const CONFIG = {
  gateway: { name: 'gw', dataDir: './data' },
  streams: [
    {
      id: 'room-climate',
      from: { mqtt: 'home/{device}/climate' },
      fields: Object.fromEntries(climate.map((name) => [name, { path: `$.${name}` }])),
    },
    {
      id: 'machine-vibration',
      from: { mqtt: 'plant/{device}/vibration' },
      decode: 'raw',
      raw: { type: 'float32', channels: 3 },
      fields: Object.fromEntries(['x', 'y', 'z'].map((name, channel) => [name, { channel, type: 'array' }])),
    },
    ...['cold-chain', 'power'].map((id) => ({
      id,
      from: { mqtt: `${id}/{device}/reading` },
      fields: { value: { path: '$.v' } },
      time: { path: '$.ts', format: 'epoch-ms' },
    })),
  ],
  pipelines: [
    { id: 'room-comfort', from: 'room-climate', window: { count: 8, every: 1 }, model: 'room-comfort@1' },
    {
      id: 'machine-condition',
      from: 'machine-vibration',
      window: { count: 1 },
      model: 'vibration-condition@1',
    },
  ],
  aggregates: [{ from: 'power', every: '10s', stats: ['mean'] }],
};

let gateway: GatewayProcess & { remove(): void };
let nodeRed: NodeRed;
let client: MqttClient;
let heard: { topic: string; payload: string }[] = [];
const user = keptFolder();

beforeAll(async () => {
  gateway = await startGateway(CONFIG, (folder) => {
    if (SPEECH === null) return;
    const model = join(SPEECH, 'silero_vad_16k_op15.onnx');
    writeBundle(join(folder, 'data/models'), { name: 'silero-vad', model, manifest: SILERO });
  });
  nodeRed = await startNodeRed(user.folder);
  client = await device(gateway.ports.mqtt);
  client.on('message', (topic, payload) => heard.push({ topic, payload: payload.toString() }));
  await client.subscribeAsync(['home/#', 'plant/#', 'cold-chain/#', 'homeassistant/#', 'market/#']);
}, 60_000);
afterAll(async () => {
  await client?.endAsync();
  await nodeRed?.stop();
  await gateway?.stop();
  gateway?.remove();
  user.remove();
});

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly env?: readonly { readonly name: string; readonly type: string }[];
  readonly [key: string]: unknown;
}

const read = (name: string): FlowNode[] =>
  JSON.parse(readFileSync(join(EXAMPLES, `${name}.json`), 'utf8')) as FlowNode[];

/** Imports an example: only the addresses of the gateway and what `env` and `change` name are not as in the file. */
async function run(
  name: string,
  env: Readonly<Record<string, string>> = {},
  change: Readonly<Record<string, object>> = {},
): Promise<void> {
  const { mqtt, http } = gateway.ports;
  const flow = read(name).map((node) => ({
    ...node,
    ...(node.type === 'aimx-gateway'
      ? { mqtt: `mqtt://127.0.0.1:${mqtt}`, http: `http://127.0.0.1:${http}` }
      : {}),
    ...(node.env
      ? { env: node.env.map((one) => (one.name in env ? { ...one, value: env[one.name] } : one)) }
      : {}),
    ...change[node.name ?? ''],
  }));
  heard = [];
  await nodeRed.deploy(flow);
  // What follows a journal or waits for messages hears what comes from now on.
  const listening = flow.filter(({ type }) => /^aimx-(?:.*-in|device|receipt|status)$/.test(type));
  await until(() => listening.every(({ id }) => nodeRed.status(id) === 'green'), `${name} to listen`, 20_000);
}

const payloads = (topic: string): string[] =>
  heard.filter((message) => message.topic === topic).map(({ payload }) => payload);
const documents = <T = Record<string, unknown>>(topic: string): T[] =>
  payloads(topic).map((text) => JSON.parse(text) as T);
const send = (topic: string, body: object | string | Buffer): Promise<unknown> =>
  client.publishAsync(
    topic,
    typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    {
      qos: 1,
    },
  );

async function room(name: string, minutes: number, more: object): Promise<void> {
  for (let n = 0; n < minutes; n++) await send(`home/${name}/climate`, minute(n, more));
}
const EMPTY = { co2: 420, light: 5, motion: 0, temperature: 19 };

describe('example flows', () => {
  it('are all tried here', () => {
    expect(readdirSync(EXAMPLES).filter((file) => file.endsWith('.json'))).toEqual([
      'cold-chain.json',
      'energy.json',
      'predictive-maintenance.json',
      'rent-out.json',
      'smart-home-home-assistant.json',
      'smart-home.json',
      'spoken-command.json',
    ]);
  });

  it('smart home: heating and light follow who is in, and do not flutter', async () => {
    await run('smart-home');
    await room('study', 10, EMPTY);
    await until(() => payloads('home/study/heating/set').length === 1, 'heating off');
    await room('study', 10, { light: 50, temperature: 19 });
    await until(() => payloads('home/study/light/set').includes('ON'), 'the light');
    // Around the target, and brighter by the lamp: nothing changes.
    for (const temperature of [20.9, 21.1, 20.8, 21.2]) await room('study', 1, { light: 250, temperature });
    await room('study', 1, { light: 250, temperature: 21.4 });
    await until(() => payloads('home/study/heating/set').length === 3, 'heating off again');
    expect(payloads('home/study/heating/set')).toEqual(['OFF', 'ON', 'OFF']);
    await room('study', 14, EMPTY);
    await until(() => payloads('home/study/light/set').at(-1) === 'OFF', 'the light off');
    expect(payloads('home/study/light/set')).toEqual(['OFF', 'ON', 'OFF']);
  });

  it('smart home for Home Assistant: rooms announce themselves and can be taken over', async () => {
    await run('smart-home-home-assistant');
    await room('living-room', 10, { light: 50, temperature: 19 });
    const topic = 'homeassistant/device/aimx_room_living-room/config';
    await until(
      () => payloads(topic).length === 1 && payloads('home/living-room/light/set').length > 0,
      'the room',
    );
    const [config] = documents<{ dev: object; avty: object[]; cmps: Record<string, { unique_id: string }> }>(
      topic,
    );
    expect(config).toMatchObject({
      dev: { ids: ['aimx_room_living_room'], name: 'living-room' },
      o: { name: 'AIMX flows' },
      cmps: {
        occupied: { p: 'binary_sensor', device_class: 'occupancy', state_topic: 'home/living-room/occupied' },
        automatic: { p: 'switch', command_topic: 'home/living-room/automatic/set' },
      },
    });
    const ids = Object.values(config!.cmps).map(({ unique_id }) => unique_id);
    expect(new Set(ids).size).toBe(ids.length);
    await until(() => payloads('home/living-room/occupied').length === 1, 'somebody to be in');
    await until(() => payloads('home/living-room/heating/set').length === 1, 'the heating');
    expect(payloads('home/living-room/occupied')).toEqual(['ON']);
    expect(payloads('home/living-room/heating/set')).toEqual(['ON']);
    await send('home/living-room/automatic/set', 'OFF');
    await until(() => payloads('home/living-room/automatic').at(-1) === 'OFF', 'the switch');
    const before = payloads('home/living-room/heating/set').length;
    await room('living-room', 12, EMPTY);
    await until(() => payloads('home/living-room/occupied').at(-1) === 'OFF', 'the room to be empty');
    expect(payloads('home/living-room/heating/set')).toHaveLength(before);
    await send('homeassistant/status', 'online');
    await until(() => payloads(topic).length === 2, 'the announcement again');
  });

  it.skipIf(SPEECH === null)(
    'spoken commands: who speaks turns the radio down',
    async () => {
      await run('spoken-command', {}, { 'speech?': { deadline: '30000' } });
      const samples = samplesOf(join(SPEECH!, 'speech-10s.wav'));
      const pcm = Int16Array.from(samples, (value) => Math.round(value * 32_767));
      const bytes = Buffer.from(pcm.buffer);
      // Of any length, as a microphone sends them; a second of silence at the end.
      for (let at = 0; at < bytes.length; at += 6000)
        await send('home/kitchen/audio', bytes.subarray(at, at + 6000));
      await send('home/kitchen/audio', Buffer.alloc(48_000));
      await until(
        () => payloads('home/kitchen/radio/set').at(-1) === 'RESUME',
        'the radio to come back',
        20_000,
      );
      const said = payloads('home/kitchen/radio/set');
      expect(said[0]).toBe('DUCK');
      expect(said).toEqual(said.map((_, i) => (i % 2 === 0 ? 'DUCK' : 'RESUME')));
      expect(documents('home/kitchen/assistant')[0]).toMatchObject({ state: 'listening' });
    },
    60_000,
  );

  it('predictive maintenance: one work order, and a stop only behind the interlock', async () => {
    const orders: { key: string | undefined; body: { condition: string; machine: string } }[] = [];
    const system = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        orders.push({
          key: request.headers['idempotency-key'] as string | undefined,
          body: JSON.parse(Buffer.concat(parts).toString()) as never,
        });
        response.statusCode = orders.length === 1 ? 503 : 201;
        response.end('{}');
      });
    });
    await new Promise<void>((resolve) => system.listen(0, '127.0.0.1', resolve));
    const { port } = system.address() as AddressInfo;
    await run('predictive-maintenance', {
      WORK_ORDERS: `http://127.0.0.1:${port}/work-orders`,
      RETRY_SECONDS: '0.1',
      STOP_SECONDS: '0.2',
    });
    const random = seededRandom(5);
    const shake = async (kind: Condition, times: number): Promise<void> => {
      for (let n = 0; n < times; n++)
        await send('plant/mill-2/vibration', Buffer.from(vibration(random, kind, 1).buffer));
    };
    await shake('normal', 3);
    await shake('imbalance', 4);
    await until(() => documents('plant/mill-2/alert').length === 1, 'the stop to be held back');
    expect(documents('plant/mill-2/alert')[0]).toMatchObject({ interlock: 'unknown' });
    await until(() => orders.length === 2, 'the work order, taken at the second time');
    expect(orders[0]).toEqual(orders[1]);
    expect(orders[0]!.body).toMatchObject({ machine: 'mill-2', condition: 'imbalance' });
    expect(orders[0]!.key).toContain('gw/machine-condition/mill-2/');
    expect(payloads('plant/mill-2/command')).toEqual([]);
    await send('plant/mill-2/interlock', 'released');
    await until(() => documents('plant/mill-2/command').length === 1, 'the stop');
    expect(documents('plant/mill-2/command')[0]).toMatchObject({ command: 'stop', reason: 'imbalance' });
    await until(() => documents('plant/mill-2/alert').length === 2, 'the alert that it did not stop');
    await send('plant/mill-2/state', 'stopped');
    await shake('imbalance', 3);
    await send('plant/mill-2/interlock', 'locked');
    expect(documents('plant/mill-2/command')).toHaveLength(1);
    expect(orders).toHaveLength(2);
    system.close();
  });

  it('cold chain: an excursion is told once, acknowledged, reported', async () => {
    await run('cold-chain');
    const begin = Date.now() - 3 * 3_600_000;
    const at = (minute: number, v: number): Promise<unknown> =>
      send('cold-chain/box-7/reading', { v, ts: begin + minute * 60_000 });
    for (const [minute, v] of [
      [0, 5],
      [1, 12],
      [2, 5],
      [3, 9],
      [8, 14],
      [13, 13],
      [20, 12],
    ] as const)
      await at(minute, v);
    const topic = 'cold-chain/box-7/excursion';
    const events = (): Record<string, unknown>[] => documents(topic);
    await until(() => events().length === 1, 'the excursion');
    expect(events()[0]).toMatchObject({ event: 'begin', box: 'box-7', begin: begin + 180_000, peak: 14 });
    await send('cold-chain/box-7/acknowledge', { note: 'nobody' });
    await send('cold-chain/box-7/acknowledge', { by: '=cmd', note: 'lid was open' });
    await at(24, 6);
    await until(() => events().length === 4, 'acknowledgement and end');
    expect(
      events()
        .map(({ event }) => event)
        .sort(),
    ).toEqual(['acknowledged', 'begin', 'end', 'refused']);
    const report = await fetch(`${nodeRed.url}/cold-chain/report?box=box-7`);
    expect(await report.json()).toMatchObject([
      {
        begin: new Date(begin + 180_000).toISOString(),
        end: new Date(begin + 24 * 60_000).toISOString(),
        // 6 K for 5 min, 5 K for 5 min, 4 K for 7 min.
        degreeMinutes: 83,
        acknowledged: { by: '=cmd' },
      },
    ]);
    const csv = await (await fetch(`${nodeRed.url}/cold-chain/report?format=csv`)).text();
    expect(csv.split('\r\n')[1]).toContain(`"14","83","'=cmd","lid was open"`);
  });

  it('energy: loads give way before the peak and come back after it', async () => {
    await run('energy', { CALM: '2' });
    let time = Date.now() - 3 * 3_600_000;
    const watts = async (...means: number[]): Promise<void> => {
      for (const v of means) {
        time += 10_000;
        await send('power/meter/reading', { v, ts: time });
      }
    };
    const forecasts = (): { now: number; forecast: number; off: string[] }[] =>
      documents('home/energy/forecast');
    await watts(2000, 2400, 2800, 3200, 3600, 0);
    await until(() => payloads('home/car/power/set').length === 1, 'the car to wait');
    await until(() => forecasts().some(({ off }) => off.length > 0), 'what was forecast');
    // It was shed on the way up, before the limit of 4,000 W.
    const shed = forecasts().find(({ off }) => off.length > 0)!;
    expect(shed.now).toBeLessThan(4000);
    expect(shed.forecast).toBeGreaterThan(4000);
    await watts(...Array.from({ length: 12 }, () => 500));
    await until(() => payloads('home/car/power/set').at(-1) === 'ON', 'the car to be charged again');
    expect(payloads('home/car/power/set')).toEqual(['OFF', 'ON']);
  });

  it('rent out: spare time is offered, and what was used is shown in AIMX', async () => {
    await run('rent-out', {}, { 'every 10 s': { repeat: '0.2', onceDelay: 0.1 } });
    await until(() => documents('market/offer').length > 0, 'the offer');
    await until(() => documents<{ open: boolean }>('market/offer').at(-1)!.open, 'it to be open');
    expect(documents('market/offer').at(-1)).toMatchObject({
      models: ['room-comfort'],
      ask: 'aimx/infer/<model>',
    });
    const inputs = [
      { name: 'input', datatype: 'FP32', shape: [1, 8, 5], data: Array.from({ length: 40 }, () => 1) },
    ];
    await until(async () => {
      await send('aimx/infer/room-comfort', { inputs });
      return documents('market/earnings').length > 0;
    }, 'the earnings');
    expect(documents('market/earnings').at(-1)).toMatchObject({
      symbol: 'AIMX',
      accounts: { 'consumer/anonymous': { uses: expect.any(Number), earned: expect.any(String) } },
    });
  });

  it('ran without a warning of their own', () => {
    expect(nodeRed.log.filter((line) => !/Projects disabled|credentials|work-orders/i.test(line))).toEqual(
      [],
    );
  });
});

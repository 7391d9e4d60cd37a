/**
 * The palette as anybody would use it: packed, unpacked into a stand-alone Node-RED in a process of its own, against a
 * gateway in another. Readings, models and results go round; the gateway is killed and comes back; with Chromium, the
 * dialogs of all nodes are opened in both languages.
 *
 *     node test/fault/palette.ts [--kills 3] [--browser 1]
 *
 * `SHOTS=folder` keeps pictures of the dialogs; `NODE_RED=…/red.js NODE=…` is another Node-RED on another Node.js.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { CONFIG, gatewayNode, minute } from '../flows/palette/harness.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';
import { hasBrowser, lookAtDialogs } from './palette/editor.ts';
import { install, pack, startStandAlone } from './palette/stand-alone.ts';

const { kills, browser } = numbers({ kills: 3, browser: 1 });
const folder = mkdtempSync(join(tmpdir(), 'aimx-palette-'));
const userDir = join(folder, 'node-red');
const failures: string[] = [];
const check = (holds: boolean, what: string): void => {
  console.log(`${holds ? 'ok    ' : 'WRONG '} ${what}`);
  if (!holds) failures.push(what);
};

const packed = pack(folder);
check(packed.bytes < 200_000, `npm pack: ${(packed.bytes / 1024).toFixed(0)} KiB`);
mkdirSync(userDir);
install(packed, userDir);

const ports = await freePorts();
writeConfig(folder, ports, CONFIG);
let gateway = await startGatewayProcess(folder, ports);
const { http: editorPort } = await freePorts();
const nodeRed = await startStandAlone(userDir, editorPort);

try {
  const sets = await nodeRed.get<{ module: string; name: string; err?: string; types: string[] }[]>('/nodes');
  const ours = sets.filter(({ module }) => module === '@aimx/node-red-gateway');
  check(
    ours.length === 11 && ours.every(({ err }) => !err),
    `${ours.length} sets of nodes loaded without an error`,
  );

  const node = (id: string, type: string, more: object): object => ({
    id,
    type: `aimx-${type}`,
    z: 'tab',
    gateway: 'gw',
    x: 100,
    y: 100,
    wires: [],
    ...more,
  });
  const to = (topic: string): object => ({ stream: '', device: '', qos: '1', topic, retain: false });
  const nodes = [
    node('in', 'stream-in', { stream: 'temps', source: 'readings', start: 'oldest', wires: [['seen']] }),
    node('seen', 'reading-out', to('test/{device}/seen')),
    node('rooms', 'stream-in', {
      stream: 'room-climate',
      source: 'readings',
      start: 'oldest',
      wires: [['win']],
    }),
    node('win', 'window', {
      kind: 'count',
      size: '8',
      every: '8',
      fields: 'temperature, humidity, co2, light, motion',
      key: 'device',
      wires: [['ask']],
    }),
    node('ask', 'infer', {
      model: 'room-comfort',
      over: 'mqtt',
      deadline: '20000',
      batch: '1',
      wait: '0',
      wires: [['answer'], ['failed']],
    }),
    node('answer', 'reading-out', to('test/{device}/answer')),
    node('failed', 'reading-out', to('test/{device}/failed')),
    node('result', 'result-in', {
      pipeline: 'room-comfort',
      source: 'journal',
      start: 'oldest',
      wires: [['decided']],
    }),
    node('decided', 'reading-out', to('test/{device}/decided')),
    node('sums', 'aggregate-in', { aggregate: 'temps-1s', start: 'oldest', field: 'value.mean' }),
    node('dev', 'device', { mode: 'watch', silent: '60' }),
    node('bills', 'receipt', { mode: 'watch', limit: '10' }),
    node('alarms', 'alarm-in', { severity: 'info', current: true }),
    node('state', 'status', {}),
  ];
  await nodeRed.deploy([{ id: 'tab', type: 'tab', label: 'palette' }, gatewayNode(ports), ...nodes]);

  const got = new Map<string, string[]>();
  let client = await listen();
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      await client.publishAsync('plant/press-1/temperature', `{"t": ${sent}}`, { qos: 1 });
      await client.publishAsync('home/study/climate', JSON.stringify(minute(sent++)), { qos: 1 });
    }
  };
  const seen = (): number[] =>
    (got.get('test/press-1/seen') ?? []).map((text) => JSON.parse(text).value as number);
  const count = (topic: string): number => new Set(got.get(topic)).size;

  await send(24);
  await until(
    () => seen().length >= 24 && count('test/study/answer') >= 3,
    'what the flow makes of it',
    30_000,
  );
  check(true, 'readings, windows, answers and results go round');

  for (let kill = 1; kill <= kills; kill++) {
    await send(8);
    await gateway.kill();
    await client.endAsync(true);
    gateway = await startGatewayProcess(folder, ports);
    client = await listen();
    await send(8);
    await until(() => new Set(seen()).size >= sent, `all readings after kill ${kill}`, 60_000);
  }
  const values = [...new Set(seen())];
  check(
    values.length === sent && values.every((value, i) => value === i),
    `${kills} kills of the gateway: ${values.length} of ${sent} readings, in order`,
  );
  check(
    count('test/study/failed') <= kills,
    `${count('test/study/failed')} questions were answered with an error`,
  );
  await until(() => count('test/study/decided') >= sent - 7, 'all results', 30_000);
  check(
    count('test/study/decided') === sent - 7,
    `${count('test/study/decided')} results of ${sent - 7}, each once`,
  );

  if (browser && hasBrowser()) {
    const ids = Object.fromEntries(
      [gatewayNode(ports), ...nodes].map((one) => [
        (one as { type: string }).type,
        (one as { id: string }).id,
      ]),
    );
    for (const language of ['en-US', 'zh-CN'])
      for (const { type, choices, wrong } of await lookAtDialogs(
        nodeRed.url,
        ids,
        language,
        process.env.SHOTS,
      ))
        check(
          wrong.length === 0,
          `${language} ${type} ${choices.length > 0 ? `[${choices}] ` : ''}${wrong.join('; ')}`,
        );
  } else console.log('skipped: the dialogs need Chromium');
  await client.endAsync(true);

  async function listen(): Promise<mqtt.MqttClient> {
    // The broker keeps for it what flows publish while it is away.
    const one = await mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      clientId: 'observer',
      clean: false,
    });
    one.on('error', () => undefined);
    one.on('message', (topic, payload) => {
      const list = got.get(topic) ?? [];
      got.set(topic, list);
      list.push(payload.toString());
    });
    await one.subscribeAsync('test/#', { qos: 1 });
    return one;
  }
} finally {
  await nodeRed.stop();
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures.length === 0 ? 'passed' : `FAILED: ${failures.length}`);
process.exitCode = failures.length === 0 ? 0 : 1;

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import mqtt from 'mqtt';
import helper from 'node-red-node-test-helper';
import { ensurePalette } from '../../../flows/palette/build.mts';
import {
  freePorts,
  type GatewayProcess,
  ROOT,
  startGatewayProcess,
  writeConfig,
} from '../../support/gateway-process.ts';
import { keptFolder } from '../../support/tmp.ts';

const require = createRequire(import.meta.url);
const PALETTE = join(ROOT, 'flows/palette');

export interface Message {
  readonly topic?: string;
  readonly payload?: unknown;
  readonly device?: string;
  readonly [key: string]: unknown;
}

/** The configuration that tests of the nodes and of the example flows share: a stream of rooms, one of machines. */
export const CONFIG = {
  gateway: { name: 'gw', dataDir: './data' },
  streams: [
    { id: 'temps', from: { mqtt: 'plant/{device}/temperature' }, fields: { value: { path: '$.t' } } },
    {
      id: 'room-climate',
      from: { mqtt: 'home/{device}/climate' },
      fields: Object.fromEntries(
        ['temperature', 'humidity', 'co2', 'light', 'motion'].map((name) => [name, { path: `$.${name}` }]),
      ),
    },
  ],
  pipelines: [
    {
      id: 'room-comfort',
      from: 'room-climate',
      window: { count: 8, every: 1 },
      model: 'room-comfort@1',
      publish: { topic: 'home/{device}/comfort', qos: 1 },
    },
  ],
  aggregates: [{ from: 'temps', every: '1s', stats: ['count', 'mean'], by: 'arrival' }],
};

/** A gateway in a process of its own. @param prepare gets its folder before it starts */
export async function startGateway(
  config: object = CONFIG,
  prepare: (folder: string) => void = () => {},
): Promise<GatewayProcess & { remove(): void }> {
  const { folder, remove } = keptFolder();
  prepare(folder);
  const ports = await freePorts();
  writeConfig(folder, ports, config as Record<string, unknown>);
  return { ...(await startGatewayProcess(folder, ports)), remove };
}

/** The configuration node for a gateway. */
export const gatewayNode = ({ mqtt: broker, http }: GatewayProcess['ports'], more: object = {}) => ({
  id: 'gw',
  type: 'aimx-gateway',
  mqtt: `mqtt://127.0.0.1:${broker}`,
  http: `http://127.0.0.1:${http}`,
  ...more,
});

export interface Running {
  /** Messages that a helper node got so far. */
  got(id: string): Message[];
  /** Sends a message into a node. */
  receive(id: string, message: object): void;
  /** Status texts of a node so far; keys of the catalogue, as the helper translates nothing. */
  statuses(id: string): string[];
  /** Errors of a node so far. */
  errors(id: string): string[];
}

const TYPES =
  'gateway stream-in reading-out infer result-in aggregate-in window device receipt alarm-in status'
    .split(' ')
    .map((name) => `aimx-${name}`);

/** Node-RED's own, which holds certificates. */
const TLS_NODE = '@node-red/nodes/core/network/05-tls.js';

/** Runs a flow of palette nodes in Node-RED's own runtime; nodes of the type `helper` collect what comes. */
export async function runFlow(flow: object[], credentials: object = {}): Promise<Running> {
  ensurePalette();
  helper.init(require.resolve('node-red'));
  const registers = TYPES.map(
    (type) => (require(join(PALETTE, `dist/nodes/${type}.js`)) as { default: never }).default,
  );
  const tls = createRequire(require.resolve('node-red'))(TLS_NODE) as never;
  await helper.load([...registers, tls], flow, credentials);
  const got = new Map<string, Message[]>();
  for (const { id, type } of flow as { id: string; type: string }[]) {
    if (type !== 'helper') continue;
    got.set(id, []);
    helper.getNode(id).on('input', (message: Message, _send: unknown, done?: () => void) => {
      got.get(id)!.push(message);
      done?.();
    });
  }
  const calls = (id: string, method: string): unknown[][] =>
    (
      helper.getNode(id) as unknown as Record<
        string,
        { getCalls(): { thisValue: unknown; args: unknown[] }[] }
      >
    )
      [method]!.getCalls()
      .filter(({ thisValue }) => thisValue === helper.getNode(id))
      .map(({ args }) => args);
  return {
    got: (id) => got.get(id)!,
    receive: (id, message) => helper.getNode(id).receive(message),
    statuses: (id) => calls(id, 'status').map(([status]) => (status as { text: string }).text),
    errors: (id) => calls(id, 'error').map(([error]) => String((error as Error).message ?? error)),
  };
}

/** What the test helper keeps of the runtime. */
const runtime = helper as unknown as {
  readonly _events: NodeJS.EventEmitter;
  readonly _redNodes: { setFlows(flows: object[], credentials: undefined, type: string): Promise<unknown> };
};

export const runtimeEvents = (): NodeJS.EventEmitter => runtime._events;

/** Replaces the flow that runs, as a full deploy does; resolves when the new one has started. */
export async function deploy(flow: object[]): Promise<void> {
  const started = once(runtime._events, 'flows:started');
  await runtime._redNodes.setFlows(flow, undefined, 'full');
  await started;
}

/** Connects a plain MQTT client, as a device or an actuator would. */
export const device = (port: number): Promise<mqtt.MqttClient> =>
  mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, reconnectPeriod: 0 });

/** A minute of a warm, occupied room. */
export const minute = (n: number, more: object = {}): object => ({
  temperature: 21.5,
  humidity: 45,
  co2: 900 + 20 * n,
  light: 300,
  motion: 1,
  ...more,
});

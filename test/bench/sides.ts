/** The two sides of most figures: Mosquitto that passes messages on, and a gateway that stores and judges them. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeBundle } from '../inference/bundles.ts';
import {
  freePorts,
  type GatewayProcess,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { mlpModel } from '../support/onnx.ts';
import { until } from '../support/until.ts';
import type { BenchContext } from './figure.ts';
import type { LoadOptions } from './mqtt-load.ts';

/** Readings in a window of the bench's pipelines. */
export const WINDOW = 16;

export interface LoadReport {
  readonly messages: number;
  readonly acked: number;
  readonly delivered: number;
  readonly seconds: number;
  readonly rate: number;
  readonly ackUs: Quantiles;
  readonly deliveryUs?: Quantiles;
  readonly generatorCpu: number;
  readonly complete: boolean;
}

interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Runs the load generator in a process of its own. Throws when not everything arrived. */
export async function load(options: Partial<LoadOptions>): Promise<LoadReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, 'mqtt-load.ts'),
    JSON.stringify(options),
  ]);
  const report = JSON.parse(stdout) as LoadReport;
  if (!report.complete) throw new Error(`not everything arrived: ${stdout}`);
  return report;
}

export function scratch(context: BenchContext, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'aimx-bench-'));
  context.cleanUp(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Debian's Mosquitto with its limits lifted and nothing kept. Answers its port. */
export async function mosquitto(context: BenchContext): Promise<number> {
  const path = ['mosquitto', '/usr/sbin/mosquitto'].find(
    (name) => spawnSync(name, ['-h']).error === undefined,
  );
  if (path === undefined) throw new Error('needs Mosquitto: apt-get install mosquitto');
  const { mqtt: port } = await freePorts();
  const file = join(scratch(context), 'mosquitto.conf');
  const settings = {
    listener: `${port} 127.0.0.1`,
    allow_anonymous: true,
    persistence: false,
    set_tcp_nodelay: true,
    max_inflight_messages: 0,
    max_queued_messages: 0,
    max_queued_bytes: 0,
    log_dest: 'none',
  };
  writeFileSync(
    file,
    Object.entries(settings)
      .map((pair) => pair.join(' '))
      .join('\n'),
  );
  const child = spawn(path, ['-c', file], { stdio: 'ignore' });
  context.cleanUp(() => child.kill('SIGTERM'));
  await until(() => reachable(port), 'mosquitto');
  return port;
}

export function mosquittoVersion(): string {
  for (const name of ['mosquitto', '/usr/sbin/mosquitto']) {
    const text = spawnSync(name, ['-h'], { encoding: 'utf8' }).stdout;
    if (text) return text.split('\n')[0]!.trim();
  }
  return 'none';
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export interface GatewaySideOptions {
  /** Folder under which its data lies; default the system's folder for temporary files. */
  readonly parent?: string;
  /** Streams `load0`, `load1` …, each with its pipeline. */
  readonly pipelines?: number;
  readonly config?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  /** The program; default the sources. */
  readonly entry?: string;
}

/**
 * A gateway process whose pipelines take every reading of `load<n>` through a window of {@link WINDOW} and a perceptron
 * 16-64-64-32-4 and publish the result with QoS 1.
 */
export async function gateway(
  context: BenchContext,
  { parent, pipelines = 1, config = {}, env = {}, entry }: GatewaySideOptions = {},
): Promise<GatewayProcess> {
  const folder = scratch(context, parent);
  const models = join(folder, 'models');
  mkdirSync(models);
  writeBundle(models, {
    name: 'bench-mlp',
    model: mlpModel([WINDOW, 64, 64, 32, 4]),
    manifest: {
      features: [],
      rows: WINDOW,
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, WINDOW], from: 'window' }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 4], as: 'scores' }],
    },
  });
  const ids = Array.from({ length: pipelines }, (_, i) => `load${i}`);
  const ports = await freePorts();
  writeConfig(folder, ports, {
    models: { dir: models },
    limits: { maxQueuedMessages: 1_000_000 },
    streams: ids.map((id) => ({ id, fields: { value: {} } })),
    pipelines: ids.map((id) => ({
      id: `judge-${id}`,
      from: id,
      window: { count: WINDOW, every: 1 },
      model: 'bench-mlp',
    })),
    ...config,
  });
  const running = await startGatewayProcess(folder, ports, { env, ...(entry ? { entry } : {}) });
  context.cleanUp(() => running.stop());
  return running;
}

/** Fills the windows of `devices`, so that from then on each reading makes a result. */
export async function fillWindows(
  side: GatewayProcess,
  devices: number,
  topic = 'aimx/s/load0/dev{d}',
): Promise<void> {
  await load({
    port: side.ports.mqtt,
    publishers: Math.min(10, devices),
    devices,
    topic,
    messages: devices * (WINDOW - 1),
    window: 1000,
    burst: 15,
  });
}

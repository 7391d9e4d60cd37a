/**
 * Promises 1, 2 and 3: kills the core with SIGKILL at random instants while devices publish with QoS 1, and looks at
 * what the upstream has in the end.
 *
 *     node test/fault/kill.ts --kills 200 --seed 1 --rate 2000
 *     node test/fault/kill.ts --kills 20 --host 1        kills the model host in place of the core
 *
 * Passes when every acknowledged reading is upstream exactly once by id, in order per device, each result too, and
 * `audit` holds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AuditView } from '../../gateway/http/views.ts';
import { seededRandom } from '../../models/training/random.ts';
import {
  freePorts,
  type GatewayProcess,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { type Publisher, startPublishers } from '../support/publishers.ts';
import { type ReceivedRecord, type Receiver, startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** Messages a second over all devices. */
  readonly rate: number;
  readonly devices: number;
  /** 1: kill the model host, 0: kill the core. */
  readonly host: number;
  /** Most milliseconds between being ready and the kill. */
  readonly life: number;
}

export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Some of the lost, as `<device>:<n>`. */
  readonly lostExamples: readonly string[];
  readonly readings: number;
  /** Readings stored twice because the device had to send again what was not acknowledged. */
  readonly resent: number;
  readonly results: number;
  readonly missingResults: number;
  readonly outOfOrder: number;
  /** Deliveries of an id the receiver had already: harmless, it has a unique index. */
  readonly repeatedDeliveries: number;
  readonly auditHolds: boolean;
  readonly slowestReadyMs: number;
}

const STREAM = 'load';
const WINDOW = 8;

/** What ends the core in place of SIGKILL alone. */
export interface Ender {
  /** Ends it, and leaves the data folder as the next start finds it. */
  end(gateway: GatewayProcess): Promise<void>;
  close(): Promise<void>;
}

/** @param enderFor makes what ends the core, for its data folder; default: SIGKILL */
export async function killTest(
  options: KillOptions,
  tell: (line: string) => void,
  enderFor?: (dataDir: string) => Promise<Ender>,
): Promise<KillReport> {
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'aimx-kill-'));
  const ports = await freePorts();
  const receiver = await startReceiver();
  writeConfig(folder, ports, {
    gateway: { name: 'kill', dataDir: './data' },
    streams: [{ id: STREAM, fields: { n: {}, value: {} } }],
    pipelines: [
      {
        id: 'score',
        from: STREAM,
        fields: ['value'],
        window: { count: 64, every: WINDOW },
        model: 'streaming-anomaly@1',
      },
    ],
    upstream: [{ id: 'receiver', http: { url: receiver.url, batch: 500 }, send: ['readings', 'results'] }],
  });
  const ender = await enderFor?.(join(folder, 'data'));
  let gateway = await startGatewayProcess(folder, ports);
  let slowestReadyMs = gateway.readyMs;
  const publishers = await startPublishers({
    port: ports.mqtt,
    stream: STREAM,
    devices: options.devices,
    rate: options.rate,
  });
  let passed = false;
  try {
    for (let kill = 1; kill <= options.kills; kill++) {
      await new Promise((done) => setTimeout(done, random.between(50, options.life)));
      if (options.host) {
        await killModelHost(gateway);
      } else {
        await (ender ? ender.end(gateway) : gateway.kill());
        gateway = await startGatewayProcess(folder, ports);
        slowestReadyMs = Math.max(slowestReadyMs, gateway.readyMs);
      }
      if (kill % 10 === 0 || kill === options.kills) {
        tell(
          `${kill}/${options.kills} kills, ${publishers.acknowledged.length} acknowledged, ${receiver.records.length} upstream`,
        );
      }
    }
    await publishers.stop();
    const report = await judge(options, gateway, publishers, receiver, slowestReadyMs);
    passed = holds(report);
    return report;
  } finally {
    await publishers.stop();
    await gateway.stop();
    await receiver.close();
    await ender?.close();
    if (passed) rmSync(folder, { recursive: true, force: true });
    else tell(`what is left of it: ${folder}`);
  }
}

/** Whether the promises were kept. */
export const holds = (report: KillReport): boolean =>
  report.lost === 0 && report.missingResults === 0 && report.outOfOrder === 0 && report.auditHolds;

/** Ends the gateway's own model host, by the pid its status gives. */
async function killModelHost(gateway: GatewayProcess): Promise<void> {
  const status = await gateway.api<{ modelHost: { pid: number | null } }>('/api/v1/status');
  if (status.modelHost.pid !== null) process.kill(status.modelHost.pid, 'SIGKILL');
}

async function judge(
  options: KillOptions,
  gateway: GatewayProcess,
  publishers: Publisher,
  receiver: Receiver,
  slowestReadyMs: number,
): Promise<KillReport> {
  const devices = deviceNames(options.devices);
  const expectedResults = (): number => {
    let count = 0;
    for (const device of devices) {
      const stored = receiver.records.filter((r) => r.kind === 'reading' && r.device === device).length;
      if (stored >= 64) count += Math.floor((stored - 64) / WINDOW) + 1;
    }
    return count;
  };
  const acknowledged = new Set(publishers.acknowledged);
  const arrived = (): Set<string> =>
    new Set(receiver.records.filter((r) => r.kind === 'reading').map((r) => keyOf(r)));
  const results = (): number => receiver.records.filter((r) => r.kind === 'result').length;
  let streams: AuditView[] = [];
  // What was sent last may be stored without an acknowledgement, so the figures are taken once nothing is under way.
  const settled = async (): Promise<boolean> => {
    streams = await gateway.api<AuditView[]>('/api/v1/audit');
    return streams.every(({ pending }) => pending === 0);
  };
  await until(
    async () => acknowledged.isSubsetOf(arrived()) && results() >= expectedResults() && (await settled()),
    'the upstream to have everything',
    60_000,
  ).catch(() => undefined);
  const there = arrived();
  const readings = receiver.records.filter((r) => r.kind === 'reading');
  const lost = [...acknowledged.difference(there)];
  return {
    kills: options.kills,
    acknowledged: acknowledged.size,
    lost: lost.length,
    lostExamples: lost.slice(0, 10),
    readings: readings.length,
    resent: readings.length - there.size,
    results: results(),
    missingResults: expectedResults() - results(),
    outOfOrder: devices.reduce((sum, device) => sum + inversions(readings, device), 0),
    repeatedDeliveries: receiver.repeated,
    auditHolds: streams.every((stream) => stream.holds),
    slowestReadyMs: Math.round(slowestReadyMs),
  };
}

export const deviceNames = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `device-${i}`);

function keyOf(record: ReceivedRecord): string {
  const values = (record.body.values ?? record.body) as { n: number };
  return `${record.device}:${values.n}`;
}

/** First arrivals that come after a later one of the same device; a resent reading repeats an old number and is no inversion. */
function inversions(readings: readonly ReceivedRecord[], device: string): number {
  const seen = new Set<number>();
  let last = 0;
  let count = 0;
  for (const record of readings) {
    if (record.device !== device) continue;
    const n = Number(keyOf(record).split(':').at(-1));
    if (seen.has(n)) continue;
    seen.add(n);
    if (n < last) count++;
    last = Math.max(last, n);
  }
  return count;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ kills: 200, seed: 1, rate: 2000, devices: 10, host: 0, life: 1500 });
  console.log(JSON.stringify(options));
  const report = await killTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  const passed =
    report.lost === 0 && report.missingResults === 0 && report.outOfOrder === 0 && report.auditHolds;
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}

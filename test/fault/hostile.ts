/**
 * Promises 6 and 7 on a real gateway process: hostile clients one after another, while well-behaved devices publish and
 * measure.
 *
 *     node test/fault/hostile.ts --seed 1 --scale 1
 *     node test/fault/hostile.ts --attack 5 --scale 12    the fifth alone: a flood of a minute
 *
 * Passes when the gateway does not end, its memory stays bounded, nobody well-behaved is disconnected, each of their
 * acknowledged readings is upstream once and `audit` holds. The ratio of their p99 to what it was without hostility is
 * printed; `--ratio 2` makes it part of the verdict, which says something on a machine that nothing else uses only.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { AuditView, StatusView } from '../../gateway/http/views.ts';
import {
  freePorts,
  type GatewayProcess,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';
import { ATTACKS, type AttackOptions } from './hostile/attacks.ts';
import { FORMATS, type Format } from './hostile/payloads.ts';
import { type Latencies, startWellBehaved } from './hostile/well-behaved.ts';

export interface HostileOptions {
  readonly seed: number;
  /** Multiplies what each attack sends. */
  readonly scale: number;
  /** MiB of heap the gateway may use, as on a small device; 0: as it is shipped. */
  readonly heap: number;
  /** Only this one, counted from 1; 0: all of them. */
  readonly attack: number;
}

export interface Phase {
  readonly attack: string;
  readonly sent: string;
  readonly mqtt: Latencies;
  readonly coap: Latencies;
  readonly rssMiB: number;
}

export interface HostileReport {
  readonly phases: readonly Phase[];
  /** Largest p99 of a phase over the p99 without hostility. */
  readonly worstRatio: { readonly mqtt: number; readonly coap: number };
  /** Largest resident memory of the core. */
  readonly mostRssMiB: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly disconnected: number;
  readonly auditHolds: boolean;
  /** Exit code of the gateway after SIGTERM in the end; anything else means that it ended by itself. */
  readonly exitCode: number | null;
}

const STREAM = 'busy';
/** Promise 7's bound on the core. */
const MOST_RSS_MIB = 256;
const QUIET_MS = 6000;

export async function hostileTest(
  options: HostileOptions,
  tell: (line: string) => void,
): Promise<HostileReport> {
  const folder = mkdtempSync(join(tmpdir(), 'aimx-hostile-'));
  const ports = await freePorts();
  const receiver = await startReceiver();
  const formats = Object.keys(FORMATS) as Format[];
  const streams = Object.fromEntries(
    formats.map((format) => [format, `h-${format.replace('+', '-')}`]),
  ) as AttackOptions['streams'];
  writeConfig(folder, ports, {
    gateway: { name: 'hostile', dataDir: './data' },
    streams: [
      { id: STREAM, fields: { n: {}, value: {} } },
      ...formats.map((format) => ({
        id: streams[format],
        decode: format,
        ...(format === 'raw'
          ? { raw: { type: 'float32' }, fields: { value: { channel: 0, type: 'array' } } }
          : { fields: { value: {} } }),
      })),
    ],
    upstream: [{ id: 'receiver', http: { url: receiver.url, batch: 500 }, send: ['readings'] }],
  });
  const env = options.heap > 0 ? { NODE_OPTIONS: heapOptions(options.heap) } : {};
  const gateway = await startGatewayProcess(folder, ports, { env });
  const good = await startWellBehaved(ports, STREAM);
  let mostRss = 0;
  const sampling = setInterval(() => {
    mostRss = Math.max(mostRss, rss(gateway.pid));
  }, 100);
  try {
    await new Promise((done) => setTimeout(done, 1500));
    good.take();
    await new Promise((done) => setTimeout(done, QUIET_MS));
    const quiet = { attack: 'none', sent: '', ...good.take(), rssMiB: mostRss };
    tell(JSON.stringify(quiet));
    const phases: Phase[] = [quiet];
    const names = Object.keys(ATTACKS);
    for (const name of options.attack > 0 ? names.slice(options.attack - 1, options.attack) : names) {
      mostRss = 0;
      const sent = await run(name, { ports, streams, busy: STREAM, ...options });
      const phase = { attack: name, sent, ...good.take(), rssMiB: mostRss };
      tell(JSON.stringify(phase));
      phases.push(phase);
      await gateway.api<StatusView>('/api/v1/status');
      await new Promise((done) => setTimeout(done, 500));
      good.take();
    }
    await new Promise((done) => setTimeout(done, 500));
    await good.stop();
    return {
      ...(await judge(gateway, receiver.records, good.acknowledged)),
      ...figures(phases),
      phases,
      disconnected: good.disconnected,
    };
  } finally {
    clearInterval(sampling);
    await good.stop();
    await gateway.stop();
    await receiver.close();
    rmSync(folder, { recursive: true, force: true });
  }

  async function judge(
    gateway: GatewayProcess,
    records: readonly { readonly device: string; readonly body: Record<string, unknown> }[],
    acknowledged: ReadonlySet<string>,
  ) {
    const arrived = (): Set<string> =>
      new Set(
        records
          .filter(({ body }) => body.stream === STREAM)
          .map(({ device, body }) => `${device}:${(body.values as { n: number }).n}`),
      );
    await until(
      () => acknowledged.isSubsetOf(arrived()),
      'what was acknowledged to be upstream',
      60_000,
    ).catch(() => undefined);
    const audit = await gateway.api<AuditView[]>('/api/v1/audit');
    return {
      acknowledged: acknowledged.size,
      lost: acknowledged.difference(arrived()).size,
      auditHolds: audit.every(({ holds }) => holds),
      exitCode: await gateway.stop(),
    };
  }
}

/** The young generation small, so that garbage does not grow old. */
const heapOptions = (mib: number): string => `--max-old-space-size=${mib} --max-semi-space-size=4`;

function figures(phases: readonly Phase[]): Pick<HostileReport, 'worstRatio' | 'mostRssMiB'> {
  const [quiet, ...hostile] = phases;
  const worst = (door: 'mqtt' | 'coap'): number =>
    Math.round((10 * Math.max(...hostile.map((phase) => phase[door].p99))) / quiet![door].p99) / 10;
  return {
    worstRatio: { mqtt: worst('mqtt'), coap: worst('coap') },
    mostRssMiB: Math.max(...phases.map(({ rssMiB }) => rssMiB)),
  };
}

function run(name: string, options: AttackOptions): Promise<string> {
  return new Promise((done, fail) => {
    const worker = new Worker(new URL('./hostile/worker.ts', import.meta.url), {
      workerData: { name, options },
    });
    let sent = '';
    worker.on('message', (text: string) => {
      sent = text;
    });
    worker.on('error', fail);
    worker.on('exit', () => done(sent));
  });
}

/** Resident MiB of a process, 0 when it is gone. */
function rss(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}

/** Whether the promises were kept; `ratio` 0 leaves the latency of the others out. */
export const hostileHolds = (report: HostileReport, ratio = 0): boolean =>
  report.exitCode === 0 &&
  report.lost === 0 &&
  report.disconnected === 0 &&
  report.auditHolds &&
  report.mostRssMiB <= MOST_RSS_MIB &&
  (ratio === 0 || Math.max(report.worstRatio.mqtt, report.worstRatio.coap) <= ratio);

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ seed: 1, scale: 1, heap: 0, attack: 0, ratio: 0 });
  console.log(JSON.stringify(options));
  const { phases: _, ...report } = await hostileTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  const passed = hostileHolds({ ...report, phases: [] }, options.ratio);
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}

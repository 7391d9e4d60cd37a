/**
 * Promises 1 to 3 on real series, through both doors: every row in is a row out, in order, bit-equal, and the results of
 * both doors are the same. The upstream is cut for a while, and the core is killed meanwhile.
 *
 *     node test/fault/nab.ts --cut 30 --series 12
 *
 * The kill falls between two lots of series, with the pipelines and the outbox behind: QoS 1 and CoAP may store a message
 * twice whose acknowledgement was lost, and here each row must be there once. Kills amid messages are kill.ts.
 * Reads the folder `nab` of AIMX_TEST_DATA (default ../shared/data).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StatusView } from '../../gateway/http/views.ts';
import { testData } from '../support/data.ts';
import { freePorts, ROOT, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { type ReceivedRecord, type Receiver, startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';

export interface NabOptions {
  /** Seconds without upstream. */
  readonly cut: number;
  /** How many of the series, smallest first. */
  readonly series: number;
  /** 1: also kill the core in the middle. */
  readonly kill: number;
  /** Rows in one SenML pack. */
  readonly rows: number;
}

export interface NabReport {
  readonly series: number;
  readonly rowsIn: number;
  readonly rowsOut: { readonly mqtt: number; readonly coap: number };
  /** Rows whose value or time differs in a bit, or that are missing or out of order. */
  readonly wrong: { readonly mqtt: number; readonly coap: number };
  readonly results: { readonly mqtt: number; readonly coap: number };
  /** Results of one door that the other does not have with the same time and outputs, but for {@link ROUNDING}. */
  readonly differentResults: number;
  /** The first of them. */
  readonly differences: readonly string[];
  /** Largest difference between outputs of the two doors. */
  readonly largestRounding: number;
  readonly expectedResults: number;
  readonly repeatedDeliveries: number;
  readonly auditHolds: boolean;
  /** From the first row to the last acknowledgement. */
  readonly feedSeconds: number;
  readonly seconds: number;
}

interface Series {
  readonly file: string;
  readonly device: string;
  readonly rows: readonly { readonly time: number; readonly value: number }[];
}

const WINDOW = 64;
/** From the return of the receiver, or from the last row in, to the last record upstream. */
const DRAIN_MS = 20_000;
/**
 * The runtime's float32 kernels round the last bits by the size of the batch, and that depends on how fast the rows come;
 * the outputs are between 0 and 1.
 */
const ROUNDING = 1e-6;
const DOORS = ['mqtt', 'coap'] as const;
/** Files that are replayed at a time. */
const LANES = 4;

export async function nabTest(options: NabOptions, tell: (line: string) => void): Promise<NabReport> {
  const begun = performance.now();
  const series = readSeries(options.series);
  const folder = mkdtempSync(join(tmpdir(), 'aimx-nab-'));
  const ports = await freePorts();
  const receiver = await startReceiver();
  writeConfig(folder, ports, {
    gateway: { name: 'nab', dataDir: './data' },
    streams: [
      { id: 'nab-mqtt', decode: 'json', fields: { value: {} }, time: { path: '$.ts', format: 'epoch-ms' } },
      { id: 'nab-coap', decode: 'senml+json', fields: { value: {} } },
    ],
    pipelines: DOORS.map((door) => ({
      id: `score-${door}`,
      from: `nab-${door}`,
      window: { count: WINDOW, every: 1 },
      model: 'streaming-anomaly@1',
    })),
    upstream: [{ id: 'receiver', http: { url: receiver.url, batch: 500 }, send: ['readings', 'results'] }],
  });
  let gateway = await startGatewayProcess(folder, ports);
  const cut = async (): Promise<void> => {
    await until(() => receiver.records.length > 1000, 'the first records upstream', 60_000);
    tell(`cutting the upstream for ${options.cut} s`);
    await receiver.down();
    await new Promise((done) => setTimeout(done, options.cut * 1000));
    await receiver.up();
    tell('the upstream is back');
  };
  try {
    let feedSeconds = 0;
    const feed = async (): Promise<void> => {
      const half = Math.ceil(series.length / 2);
      await replayAll(folder, series.slice(0, half), options.rows);
      tell(`${half} series are in`);
      if (options.kill) {
        await gateway.kill();
        gateway = await startGatewayProcess(folder, ports);
        tell('the core was killed and is back');
      }
      await replayAll(folder, series.slice(half), options.rows);
      feedSeconds = Math.round((performance.now() - begun) / 1000);
      tell(`all ${series.length} series are in`);
    };
    await Promise.all([feed(), cut()]);
    const rowsIn = series.reduce((sum, one) => sum + one.rows.length, 0);
    const expectedResults = series.reduce((sum, one) => sum + Math.max(0, one.rows.length - WINDOW + 1), 0);
    const all = 2 * (rowsIn + expectedResults);
    await until(() => receiver.records.length >= all, `${all} records upstream`, DRAIN_MS).catch(
      async (error: Error) => {
        const { pipelines, upstream, alarms } = await gateway.api<StatusView>('/api/v1/status');
        tell(
          `${error.message}: ${JSON.stringify({ pipelines, upstream, alarms })}\n${gateway.log().slice(-4000)}`,
        );
      },
    );
    const streams = await gateway.api<{ holds: boolean }[]>('/api/v1/audit');
    const auditHolds = streams.every((stream) => stream.holds);
    const report = compare(series, receiver);
    return {
      ...report,
      series: series.length,
      rowsIn,
      expectedResults,
      repeatedDeliveries: receiver.repeated,
      auditHolds,
      feedSeconds,
      seconds: Math.round((performance.now() - begun) / 1000),
    };
  } finally {
    await gateway.stop();
    await receiver.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether the promises were kept. */
export const holds = (report: NabReport): boolean =>
  report.wrong.mqtt + report.wrong.coap + report.differentResults === 0 &&
  DOORS.every(
    (door) => report.results[door] === report.expectedResults && report.rowsOut[door] === report.rowsIn,
  ) &&
  report.auditHolds;

function readSeries(count: number): Series[] {
  const root = testData('nab');
  if (root === null) throw new Error('no NAB series: set AIMX_TEST_DATA');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.csv'),
  );
  const all = files.map((name): Series => {
    const file = join(root, name);
    const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1);
    const rows = lines.map((line) => {
      const [stamp, value] = line.split(',');
      return { time: Date.parse(`${stamp!.replace(' ', 'T')}Z`), value: Number(value) };
    });
    return { file, device: basename(name, '.csv'), rows };
  });
  return all.sort((a, b) => a.rows.length - b.rows.length).slice(0, count);
}

/** Feeds each series through both doors, a few at a time. */
async function replayAll(folder: string, series: readonly Series[], rows: number): Promise<void> {
  const waiting = series.flatMap((one) => DOORS.map((door) => ({ one, door }))).reverse();
  const lane = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop())
      await replay(folder, next.one, next.door, rows);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

function replay(folder: string, series: Series, door: (typeof DOORS)[number], rows: number): Promise<void> {
  const words = [
    join(ROOT, 'gateway/main.ts'),
    'replay',
    series.file,
    ...['--stream', `nab-${door}`, '--device', series.device, '--via', door],
    ...['--config', join(folder, 'gateway.yaml'), '--json'],
    ...(door === 'coap' ? ['--rows', String(rows)] : []),
  ];
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4096);
    });
    child.once('exit', (code) =>
      code === 0 ? done() : fail(new Error(`replay ended with ${code}: ${errors}`)),
    );
  });
}

function compare(series: readonly Series[], receiver: Receiver) {
  const wrong = { mqtt: 0, coap: 0 };
  const rowsOut = { mqtt: 0, coap: 0 };
  const results = { mqtt: 0, coap: 0 };
  const differences: string[] = [];
  let differentResults = 0;
  let largestRounding = 0;
  const byDevice = Map.groupBy(receiver.records, (record) => record.device);
  for (const one of series) {
    const records = byDevice.get(one.device) ?? [];
    const [mqtt, coap] = DOORS.map((door) => {
      const readings = records.filter((r) => r.kind === 'reading' && r.body.stream === `nab-${door}`);
      rowsOut[door] += readings.length;
      wrong[door] += misplaced(one, readings);
      const found = records.filter((r) => r.kind === 'result' && r.body.pipeline === `score-${door}`);
      results[door] += found.length;
      return found.map((r) => r.body as unknown as Result);
    });
    for (let i = 0; i < Math.max(mqtt!.length, coap!.length); i++) {
      const distance = between(mqtt![i], coap![i]);
      if (distance <= ROUNDING) {
        largestRounding = Math.max(largestRounding, distance);
        continue;
      }
      differentResults++;
      if (differences.length < 5) differences.push(JSON.stringify([one.device, i, mqtt![i], coap![i]]));
    }
  }
  return { rowsOut, wrong, results, differentResults, differences, largestRounding };
}

interface Result {
  readonly time: number;
  readonly outputs: { readonly score: number };
}

const between = (a: Result | undefined, b: Result | undefined): number =>
  a === undefined || b === undefined || a.time !== b.time
    ? Number.POSITIVE_INFINITY
    : Math.abs(a.outputs.score - b.outputs.score);

/** Rows that are not in their place with the very same bits. */
function misplaced(series: Series, readings: readonly ReceivedRecord[]): number {
  let count = Math.abs(readings.length - series.rows.length);
  series.rows.forEach((row, index) => {
    const body = readings[index]?.body as { time: number; values: { value: number } } | undefined;
    if (body && !(Object.is(body.values.value, row.value) && body.time === row.time)) count++;
  });
  return count;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ cut: 30, series: 12, kill: 1, rows: 20 });
  console.log(JSON.stringify(options));
  const report = await nabTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  console.log(holds(report) ? 'passed' : 'FAILED');
  process.exit(holds(report) ? 0 : 1);
}

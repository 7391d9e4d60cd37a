/**
 * Real series through both doors: every row in is a row out, in order per device, values bit-equal; the results of both
 * doors are the same. In the middle the upstream is cut and the core is killed.
 *
 *     node test/fault/nab.ts --cut 30 --series 12
 *
 * Reads the folder `nab` of AIMX_TEST_DATA (default ../shared/data).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
}

export interface NabReport {
  readonly series: number;
  readonly rowsIn: number;
  readonly rowsOut: { readonly mqtt: number; readonly coap: number };
  /** Rows whose value or time differs in a bit, or that are missing or out of order. */
  readonly wrong: { readonly mqtt: number; readonly coap: number };
  readonly results: { readonly mqtt: number; readonly coap: number };
  /** Results of one door that the other does not have with the same time and outputs. */
  readonly differentResults: number;
  readonly expectedResults: number;
  readonly repeatedDeliveries: number;
  readonly auditHolds: boolean;
  readonly seconds: number;
}

interface Series {
  readonly file: string;
  readonly device: string;
  readonly rows: readonly { readonly time: number; readonly value: number }[];
}

const WINDOW = 64;
const DOORS = ['mqtt', 'coap'] as const;

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
  const disturb = async (): Promise<void> => {
    await until(() => receiver.records.length > 2000, 'the first records upstream', 60_000);
    tell(`cutting the upstream for ${options.cut} s`);
    await receiver.down();
    await new Promise((done) => setTimeout(done, (options.cut * 1000) / 2));
    if (options.kill) {
      tell('killing the core');
      await gateway.kill();
      gateway = await startGatewayProcess(folder, ports);
    }
    await new Promise((done) => setTimeout(done, (options.cut * 1000) / 2));
    await receiver.up();
    tell('the upstream is back');
  };
  try {
    const feed = async (): Promise<void> => {
      for (const door of DOORS) {
        for (const one of series) await replay(folder, one, door);
        tell(`${door}: ${series.length} series are in`);
      }
    };
    await Promise.all([feed(), disturb()]);
    const rowsIn = series.reduce((sum, one) => sum + one.rows.length, 0);
    const expectedResults = series.reduce((sum, one) => sum + Math.max(0, one.rows.length - WINDOW + 1), 0);
    const all = 2 * (rowsIn + expectedResults);
    await until(() => receiver.records.length >= all, `${all} records upstream`, 120_000).catch(
      tellError(tell),
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
      seconds: Math.round((performance.now() - begun) / 1000),
    };
  } finally {
    await gateway.stop();
    await receiver.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const tellError =
  (tell: (line: string) => void) =>
  (error: Error): void =>
    tell(error.message);

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

function replay(folder: string, series: Series, door: 'mqtt' | 'coap'): Promise<void> {
  const words = [
    join(ROOT, 'gateway/main.ts'),
    'replay',
    series.file,
    ...['--stream', `nab-${door}`, '--device', series.device, '--via', door],
    ...['--config', join(folder, 'gateway.yaml'), '--json'],
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
  let differentResults = 0;
  const byDevice = Map.groupBy(receiver.records, (record) => record.device);
  for (const one of series) {
    const records = byDevice.get(one.device) ?? [];
    const outputs = DOORS.map((door) => {
      const readings = records.filter((r) => r.kind === 'reading' && r.body.stream === `nab-${door}`);
      rowsOut[door] += readings.length;
      wrong[door] += differences(one, readings);
      const found = records.filter((r) => r.kind === 'result' && r.body.pipeline === `score-${door}`);
      results[door] += found.length;
      return found.map((r) => JSON.stringify([r.body.time, r.body.outputs]));
    });
    const [mqtt, coap] = outputs;
    const length = Math.max(mqtt!.length, coap!.length);
    for (let i = 0; i < length; i++) if (mqtt![i] !== coap![i]) differentResults++;
  }
  return { rowsOut, wrong, results, differentResults };
}

/** Rows that are not in their place with the very same bits. */
function differences(series: Series, readings: readonly ReceivedRecord[]): number {
  let count = Math.abs(readings.length - series.rows.length);
  series.rows.forEach((row, index) => {
    const body = readings[index]?.body as { time: number; values: { value: number } } | undefined;
    if (body && !(Object.is(body.values.value, row.value) && body.time === row.time)) count++;
  });
  return count;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ cut: 30, series: 12, kill: 1 });
  const report = await nabTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  const passed =
    report.wrong.mqtt + report.wrong.coap + report.differentResults === 0 &&
    report.results.mqtt === report.expectedResults &&
    report.auditHolds;
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}

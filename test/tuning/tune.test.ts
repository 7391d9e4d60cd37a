import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import { readBundle } from '../../gateway/inference/bundle.ts';
import { scanBundles } from '../../gateway/inference/registry.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { findSubject } from '../../gateway/tuning/find.ts';
import { type Tuned, type TuneOptions, tuneModel } from '../../gateway/tuning/index.ts';
import { labelOf, readLabels } from '../../gateway/tuning/labels.ts';
import { denseLayers, readWeights, writeWeights } from '../../gateway/tuning/onnx-weights.ts';
import { checkWindows, readWindows } from '../../gateway/tuning/windows.ts';
import { seededRandom } from '../../models/training/random.ts';
import { CONDITIONS, vibration } from '../../models/vibration-condition/generate.ts';
import { tuning as machine } from '../../models/vibration-condition/tune.ts';
import { recordingLog } from '../support/log.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type TestReading, writeJournal } from './journal.ts';

const SEED = 20261122;
const BUNDLED = join(import.meta.dirname, '../../models');

/** A dosing pump: the base model takes one stroke in eight for an anomaly. */
function pump(count: number): TestReading[] {
  const random = seededRandom(SEED);
  const begin = Date.now() - count * 1000;
  return Array.from({ length: count }, (_, k) => {
    const stroke = k % 23 < 2 ? 3 : 0;
    const value = 20 + 0.2 * Math.sin(k / 40) + 0.1 * random.normal() + stroke;
    return { device: 'p1', time: begin + k * 1000, values: { value } };
  });
}

/** Tunes beside other tests: at the lowest priority it would wait for all of them. */
function tune(dataDir: string, options: Partial<TuneOptions> = {}): Promise<Tuned> {
  return tuneModel({
    model: 'streaming-anomaly@1',
    stream: 'pump',
    dataDir,
    bundled: BUNDLED,
    installed: join(dataDir, 'models'),
    since: 0,
    epochs: 4,
    priority: 0,
    clock: systemClock(),
    log: recordingLog(),
    signal: AbortSignal.timeout(50_000),
    onProgress: () => undefined,
    ...options,
  });
}

test('a model tuned on the journal is a shadow with its card filled in', async () => {
  const data = temporaryFolder();
  await writeJournal(data, { pump: pump(4000) });
  const shares: number[] = [];
  const {
    model,
    folder: made,
    goldenSamples,
    report,
  } = await tune(data, {
    onProgress: (share) => shares.push(share),
  });
  expect(shares.length).toBeGreaterThan(3);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(model).toBe('streaming-anomaly@1.1');
  expect(goldenSamples).toBe(6);
  expect(report).toMatchObject({ rows: 4000, devices: 1, base: { model: 'streaming-anomaly@1' } });
  expect(report.loss.after).toBeLessThan(report.loss.before);
  expect(report.after.quiet).toBeGreaterThan(report.before.quiet!);
  const { models } = JSON.parse(readFileSync(join(data, 'models', 'life.json'), 'utf8'));
  expect(models['streaming-anomaly']['1.1'].state).toBe('shadow');
  expect(
    Object.values(models['streaming-anomaly']).filter((v) => (v as { state: string }).state === 'live'),
  ).toHaveLength(1);
  const { manifest } = readBundle(made);
  const base = readBundle(join(BUNDLED, 'streaming-anomaly')).manifest;
  expect(manifest.sha256).not.toBe(base.sha256);
  expect(manifest.card.metrics).toMatchObject({
    base: 'streaming-anomaly@1',
    base_sha256: base.sha256,
    stream_readings: 4000,
    validation_loss_after: report.loss.after,
  });
  expect(manifest.card.trainingData).toContain('4000 readings');
  expect(readdirSync(join(data, 'models')).sort()).toEqual([
    'footprints.json',
    'life.json',
    'streaming-anomaly-1.1',
  ]);
  // The next one is made of the one that there is, or of the base, under the next version.
  const { bundles } = scanBundles([BUNDLED, join(data, 'models')]);
  const places = { bundled: BUNDLED, installed: join(data, 'models') };
  expect(findSubject('streaming-anomaly@1.1', bundles, places)).toMatchObject({ version: '1.2' });
}, 60_000);

test('killing it in the middle leaves nothing installed and nothing running', async () => {
  const data = temporaryFolder();
  await writeJournal(data, { pump: pump(2500) });
  const script = join(import.meta.dirname, 'tune-process.ts');
  const parent = spawn(process.execPath, [script, data], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  let said = '';
  parent.stdout.on('data', (text: Buffer) => {
    said += text.toString();
  });
  await until(() => said.includes('epoch'), 'an epoch', 30_000);
  const children = join('/proc', String(parent.pid), 'task', String(parent.pid), 'children');
  const child = existsSync(children) ? readFileSync(children, 'utf8').trim().split(' ')[0] : '';
  parent.kill('SIGKILL');
  await until(() => parent.signalCode !== null, 'the end of the parent');
  const models = join(data, 'models');
  expect(readdirSync(models).filter((name) => !name.startsWith('.tune-'))).toEqual([]);
  expect(scanBundles([models])).toEqual({ bundles: [], broken: [] });
  if (child) await until(() => !existsSync(`/proc/${child}`), 'the end of the child', 20_000);
  await expect(tune(data, { epochs: 1000, signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
    code: 'TUNE_FAILED',
  });
  await expect(tune(data, { device: 'other' })).rejects.toMatchObject({ code: 'TUNE_DATA' });
  expect(readdirSync(models)).toEqual([]);
}, 60_000);

test('too little, constant data and no numbers are told', async () => {
  const dataDir = temporaryFolder();
  const always = (count: number, value: number | string) =>
    pump(count).map((one) => ({ ...one, values: { value } }));
  await writeJournal(dataDir, {
    short: pump(500),
    constant: always(2000, 7),
    text: always(200, 'off'),
    nan: always(200, Number.NaN),
  });
  const problem = async (stream: string): Promise<unknown> => {
    const request = { dataDir, stream, device: undefined, columns: [], rows: 64, hop: 16 };
    const found = await readWindows({ ...request, since: 0, maxRows: 1e5 });
    try {
      checkWindows(found, stream, 100, 64);
      return null;
    } catch (error) {
      return error;
    }
  };
  const told = (message: string) => ({ code: 'TUNE_DATA', message: expect.stringContaining(message) });
  expect(await problem('short')).toMatchObject(told('windows of 64'));
  expect(await problem('constant')).toMatchObject(told('not constant'));
  expect(await problem('text')).toMatchObject(told('none of 200 readings'));
  expect(await problem('nan')).toMatchObject(told('none of 200 readings'));
  expect(await problem('nowhere')).toMatchObject(told('0 usable readings'));
});

test('windows do not span pauses or devices, and only the newest rows are read', async () => {
  const dataDir = temporaryFolder();
  const at = (device: string, from: number, count: number): TestReading[] =>
    Array.from({ length: count }, (_, k) => ({
      device,
      time: from + 1000 * k,
      values: { x: Float32Array.of(k, k + 0.5), y: k },
    }));
  await writeJournal(dataDir, { s: [...at('a', 0, 10), ...at('b', 0, 3), ...at('a', 600_000, 7)] });
  const request = {
    dataDir,
    stream: 's',
    device: undefined,
    columns: ['x', 'y'],
    rows: 8,
    hop: 8,
    since: 0,
    maxRows: 1e5,
  };
  const { windows, rows } = await readWindows(request);
  expect(rows).toBe(40);
  expect(windows.map(({ device, time }) => [device, time])).toEqual([
    ['a', 3000],
    ['a', 7000],
    ['a', 603_000],
  ]);
  expect([...windows[0]!.values.subarray(0, 6)]).toEqual([0, 0, 0.5, 0, 1, 1]);
  expect((await readWindows({ ...request, device: 'b' })).windows).toEqual([]);
});

test('labels are read with the line of what is wrong', () => {
  const file = join(temporaryFolder(), 'labels.csv');
  const write = (text: string) => writeFileSync(file, text);
  write(
    'from,to,label,device\n2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,normal,m1\n1767229200000,1767232800000,imbalance,\n',
  );
  const labels = readLabels(file, CONDITIONS);
  expect(labelOf(labels, 'm1', Date.UTC(2026, 0, 1, 0, 30))).toBe('normal');
  expect(labelOf(labels, 'm2', Date.UTC(2026, 0, 1, 0, 30))).toBeUndefined();
  expect(labelOf(labels, 'm2', 1767229200001)).toBe('imbalance');
  write('from,to,label\n1,2,bent\n');
  expect(() => readLabels(file, CONDITIONS)).toThrow(/line 2/);
  expect(() => readLabels(file, [])).toThrow(/without labels/);
});

test('a machine teaches what its windows agree on, and labels go before', () => {
  const random = seededRandom(SEED);
  const sure = Float32Array.of(0.9, 0.025, 0.025, 0.025, 0.025);
  const unsure = Float32Array.of(0.4, 0.6, 0, 0, 0);
  const values = vibration(random, 'normal', 0);
  const windows = Array.from({ length: 20 }, (_, i) => ({
    device: 'm',
    time: i,
    values,
    answer: i === 10 ? unsure : sure,
    ...(i === 3 ? { label: 'looseness' } : {}),
  }));
  const targets = machine.examples(windows, random).map(({ target }) => target.indexOf(1));
  expect(targets.filter((target) => target === CONDITIONS.indexOf('looseness'))).toHaveLength(1);
  expect(targets).toHaveLength(20);
});

test('weights are replaced in place, and only those', () => {
  const file = new Uint8Array(readFileSync(join(BUNDLED, 'vibration-condition', 'model.onnx')));
  const places = denseLayers(file);
  expect(places.map(({ kernel }) => kernel.dims)).toEqual([
    [machine.features, 32],
    [32, 5],
  ]);
  const { bias } = places[1]!;
  const copy = file.slice();
  writeWeights(copy, bias, Float32Array.of(1, 2, 3, 4, 5));
  expect([...readWeights(copy, bias)]).toEqual([1, 2, 3, 4, 5]);
  writeWeights(copy, bias, readWeights(file, bias));
  expect(Buffer.compare(copy, file)).toBe(0);
  expect(() => denseLayers(file.subarray(0, 1000))).toThrow(/recipe/);
});

test('what cannot be tuned is told, and so is a missing TensorFlow.js', async () => {
  const { bundles } = scanBundles([BUNDLED]);
  const places = { bundled: BUNDLED, installed: temporaryFolder() };
  expect(() => findSubject('room-comfort', bundles, places)).toThrow(/nothing to train/);
  expect(() => findSubject('nothing', bundles, places)).toThrow(/no model/);
  vi.doMock('@tensorflow/tfjs-core', () => {
    throw new Error('not found');
  });
  onTestFinished(() => vi.doUnmock('@tensorflow/tfjs-core'));
  const { loadTensorflow } = await import('../../gateway/tuning/network.ts');
  await expect(loadTensorflow()).rejects.toMatchObject({
    code: 'TUNE_TOOLKIT',
    fix: expect.stringContaining('npm i'),
  });
});

test('the command says which stream and which options it takes', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gateway.yaml'), 'streams:\n  - { id: pump }\n');
  const run = async (...words: string[]): Promise<string> => {
    const terminal = recordingTerminal(folder);
    expect(await runCli(['models', 'tune', ...words], terminal)).toBe(2);
    return terminal.err();
  };
  expect(await run('streaming-anomaly')).toContain('--from is missing');
  expect(await run('streaming-anomaly', '--from', 'pomp')).toContain('Did you mean --from pump?');
  expect(await run('streaming-anomaly', '--from', 'pump', '--since', 'x')).toContain(
    '--since takes a duration',
  );
  expect(await run('streaming-anomaly', '--from', 'pump', '--epochs', '0')).toContain('--epochs takes');
});

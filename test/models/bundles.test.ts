import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readBundle } from '../../gateway/inference/bundle.ts';
import { readGolden } from '../../gateway/inference/golden.ts';
import { verifyBundle } from '../../gateway/inference/verify.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import * as comfortFeatures from '../../models/room-comfort/features.ts';
import * as rooms from '../../models/room-comfort/generate.ts';
import * as anomalyFeatures from '../../models/streaming-anomaly/features.ts';
import * as signals from '../../models/streaming-anomaly/generate.ts';
import { accuracy, rates } from '../../models/training/metrics.ts';
import { OnnxGraph } from '../../models/training/onnx.ts';
import { type Random, seededRandom } from '../../models/training/random.ts';
import * as vibrationFeatures from '../../models/vibration-condition/features.ts';
import * as machines from '../../models/vibration-condition/generate.ts';
import { recordingLog } from '../support/log.ts';

/** None of the seeds the models were trained with: these samples are new to them. */
const SEED = 20260911;

const { InferenceSession, Tensor } = await import('onnxruntime-node');

const folderOf = (name: string): string => join(import.meta.dirname, '../../models', name);

/** Runs a graph over windows that lie one behind the other; answers the values of each output. */
async function run(
  model: Uint8Array | string,
  windows: readonly Float32Array[],
  shape: readonly number[],
): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(model as string);
  onTestFinished(() => session.release());
  const data = new Float32Array(windows.reduce((sum, window) => sum + window.length, 0));
  for (const [i, window] of windows.entries()) data.set(window, i * window.length);
  const input = { [session.inputNames[0]!]: new Tensor('float32', data, [windows.length, ...shape]) };
  const answers = await session.run(input);
  return Object.fromEntries(Object.entries(answers).map(([name, { data }]) => [name, data as Float32Array]));
}

const score = (name: string, windows: readonly Float32Array[], shape: readonly number[]) =>
  run(join(folderOf(name), 'model.onnx'), windows, shape);

interface Kind {
  readonly name: string;
  readonly shape: readonly number[];
  /** One fresh window. */
  readonly window: (random: Random) => Float32Array;
  readonly features: {
    readonly FEATURES: number;
    features(window: Float32Array, out: Float32Array, at: number): void;
    featureGraph(graph: OnnxGraph, window: string): string;
  };
  /** How far single precision in the graph may be from the arithmetic in double precision. */
  readonly tolerance: number;
}

const KINDS: readonly Kind[] = [
  {
    name: 'streaming-anomaly',
    shape: [signals.WINDOW],
    window: (random) => signals.labelledWindow(random).values,
    features: anomalyFeatures,
    tolerance: 2e-2,
  },
  {
    name: 'vibration-condition',
    shape: [machines.WINDOW, machines.AXES],
    window: (random) =>
      machines.vibration(random, machines.CONDITIONS[random.integer(0, 4)]!, random.uniform()),
    features: vibrationFeatures,
    tolerance: 1e-3,
  },
  {
    name: 'room-comfort',
    shape: [rooms.WINDOW, rooms.COLUMNS.length],
    window: (random) => rooms.room(random).values,
    features: comfortFeatures,
    tolerance: 1e-4,
  },
];

describe.each(KINDS)('$name', ({ name, shape, window, features, tolerance }) => {
  test('loads and gives its golden outputs on this machine', async () => {
    const options = { clock: systemClock(), log: recordingLog(), signal: AbortSignal.timeout(20_000) };
    const { bundle, samples } = await verifyBundle(folderOf(name), options);
    expect(bundle.manifest.name).toBe(name);
    expect(samples).toBeGreaterThanOrEqual(5);
  });

  test('its generator gives the same window for the same seed', () => {
    const first = window(seededRandom(SEED));
    expect(window(seededRandom(SEED))).toEqual(first);
    expect(window(seededRandom(SEED + 1))).not.toEqual(first);
    expect(first.length).toBe(shape.reduce((a, b) => a * b));
    expect(first.every(Number.isFinite)).toBe(true);
  });

  test('its graph computes the features that it was trained on', async () => {
    const random = seededRandom(SEED);
    const windows = Array.from({ length: 60 }, () => window(random));
    const graph = new OnnxGraph();
    const value = features.featureGraph(graph, graph.input('input', ['N', ...shape]));
    graph.output('features', graph.node('Identity', [value]), ['N', features.FEATURES]);
    const answers = await run(graph.encode('features', {}), windows, shape);
    const expected = new Float32Array(windows.length * features.FEATURES);
    for (const [i, one] of windows.entries()) features.features(one, expected, i * features.FEATURES);
    const found = answers.features!;
    let worst = 0;
    for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(expected[i]! - found[i]!));
    expect(worst).toBeLessThan(tolerance);
  });

  test('its card for people says what its manifest says', () => {
    const { manifest } = readBundle(folderOf(name));
    const readme = readFileSync(join(folderOf(name), 'README.md'), 'utf8');
    const card = manifest.card!;
    expect(readme).toContain(`# ${name} ${manifest.version}`);
    for (const text of [card.intendedUse, card.limits]) expect(readme).toContain(text);
    for (const [figure, value] of Object.entries(card.metrics ?? {}))
      expect(readme).toMatch(
        new RegExp(`^\\| ${figure} +\\| ${String(value).replace('.', '\\.')} +\\|$`, 'm'),
      );
    expect(readGolden(readBundle(folderOf(name))).length).toBeGreaterThan(0);
  });
});

describe('on samples that no model was trained on', () => {
  const figure = (name: string, key: string): number =>
    Number(readBundle(folderOf(name)).manifest.card!.metrics![key]);

  test('streaming-anomaly finds anomalies as often as its card says', async () => {
    const random = seededRandom(SEED);
    const samples = Array.from({ length: 3000 }, () => signals.labelledWindow(random));
    const answers = await score(
      'streaming-anomaly',
      samples.map(({ values }) => values),
      [signals.WINDOW],
    );
    const truth = Float32Array.from(samples, ({ anomalous }) => (anomalous ? 1 : 0));
    const measured = rates(answers.score!, truth, figure('streaming-anomaly', 'threshold'));
    expect(measured.recall).toBeGreaterThan(figure('streaming-anomaly', 'recall') - 0.03);
    expect(measured.falseAlarms).toBeLessThan(figure('streaming-anomaly', 'falseAlarms') + 0.01);
  });

  test('vibration-condition names the fault', async () => {
    const random = seededRandom(SEED);
    const truth = Array.from({ length: 500 }, () => random.integer(0, machines.CONDITIONS.length - 1));
    const windows = truth.map((label) =>
      machines.vibration(random, machines.CONDITIONS[label]!, random.uniform()),
    );
    const answers = await score('vibration-condition', windows, [machines.WINDOW, machines.AXES]);
    const measured = accuracy(answers.probabilities!, truth, machines.CONDITIONS);
    expect(measured.accuracy).toBeGreaterThan(figure('vibration-condition', 'accuracy') - 0.03);
    for (const [condition, recall] of Object.entries(measured.recall))
      expect(recall, condition).toBeGreaterThan(figure('vibration-condition', `recall_${condition}`) - 0.08);
  });

  test('room-comfort tells who is there and how the air is', async () => {
    const random = seededRandom(SEED);
    const samples = Array.from({ length: 2000 }, () => rooms.room(random));
    const windows = samples.map(({ values }) => values);
    const answers = await score('room-comfort', windows, [rooms.WINDOW, rooms.COLUMNS.length]);
    const occupied = Float32Array.from(samples, (sample) => (sample.occupied ? 1 : 0));
    const occupancy = rates(answers.occupancy!, occupied, 0.5);
    expect(occupancy.recall).toBeGreaterThan(figure('room-comfort', 'occupancy_recall') - 0.02);
    expect(occupancy.falseAlarms).toBeLessThan(figure('room-comfort', 'occupancy_falseAlarms') + 0.02);
    const comfort = samples.map((sample) => rooms.COMFORT.indexOf(sample.comfort));
    const measured = accuracy(answers.comfort_probabilities!, comfort, rooms.COMFORT);
    expect(measured.accuracy).toBeGreaterThan(figure('room-comfort', 'comfortAccuracy') - 0.02);
  });
});

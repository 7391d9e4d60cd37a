import { seededRandom } from '../../models/training/random.ts';
import type { DeviceWindow, Example, Tuning } from '../../models/training/tuning.ts';
import { GatewayError } from '../errors.ts';
import { answerOf, type Batch, type Layer, loadTensorflow, train } from './network.ts';

/** Windows beyond this are thinned out evenly: more take time and teach little. */
const MOST_WINDOWS = 10_000;
/** The later share of the windows that is not trained on. */
const HELD = 0.2;
const LEAST_GENERATED = 600;
const MOST_GENERATED = 3000;
/** How much of a figure on generated samples may be lost. */
const MAY_FORGET = 0.03;

/** How training went; figures by name are of the device's held-out windows and of generated samples. */
export interface Learned {
  readonly layers: readonly Layer[];
  readonly trained: number;
  readonly validated: number;
  readonly epochs: number;
  readonly loss: { readonly before: number; readonly after: number };
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  readonly generatedBefore: Readonly<Record<string, number>>;
  readonly generatedAfter: Readonly<Record<string, number>>;
}

export interface LearnOptions {
  readonly epochs: number;
  readonly seed: number;
  onProgress(share: number, note: string): Promise<void>;
}

/** Fine-tunes on windows in order of time. Throws TUNE_DATA, TUNE_NO_GAIN, TUNE_TOOLKIT. */
export async function learn(
  tuning: Tuning,
  base: readonly Layer[],
  windows: readonly Omit<DeviceWindow, 'answer'>[],
  { epochs, seed, onProgress }: LearnOptions,
): Promise<Learned> {
  const tf = await loadTensorflow();
  const random = seededRandom(seed);
  const every = Math.ceil(windows.length / MOST_WINDOWS);
  const answered: DeviceWindow[] = [];
  for (const [i, window] of windows.filter((_, at) => at % every === 0).entries()) {
    answered.push({ ...window, answer: answerOf(base, featuresOf(tuning, window.values)) });
    if (i % 200 === 0) await onProgress((0.3 * i * every) / windows.length, 'reads');
  }
  answered.sort((a, b) => a.time - b.time);
  const split = Math.floor(answered.length * (1 - HELD));
  const examples = tuning.examples(answered.slice(0, split), random);
  const held = tuning.examples(answered.slice(split), random);
  const least = tuning.leastExamples;
  if (examples.length < least || held.length < Math.ceil(least / 8))
    throw new GatewayError(
      'TUNE_DATA',
      `${answered.length} windows give ${examples.length} examples to train on and ${held.length} to validate with`,
      { received: examples.length, expected: `at least ${least} and ${Math.ceil(least / 8)}` },
    );
  const generated = Math.min(MOST_GENERATED, Math.max(LEAST_GENERATED, 2 * examples.length));
  const rehearsed = tuning.rehearsal(random, generated);
  const rehearsedHeld = tuning.rehearsal(random, LEAST_GENERATED);
  await onProgress(0.35, 'trains');

  const material = shuffled([...examples, ...rehearsed], random.uniform);
  const ofDevice = { x: heldFeatures(tuning, held), examples: held };
  const ofGenerator = { x: heldFeatures(tuning, rehearsedHeld), examples: rehearsedHeld };
  const figures = (layers: readonly Layer[], { x, examples }: typeof ofDevice) =>
    rounded(
      tuning.figures(
        examples,
        x.map((features) => answerOf(layers, features)),
      ),
    );
  const trained = await train(
    tf,
    base,
    batchOf(tuning, material),
    batchOf(tuning, [...held, ...rehearsedHeld.slice(0, Math.max(20, held.length))]),
    {
      epochs,
      batchSize: 64,
      learningRate: 1e-3,
      patience: 5,
      anchor: 1e-4,
      onEpoch: (epoch, loss) =>
        onProgress(0.35 + (0.6 * epoch) / epochs, `epoch ${epoch}, validation loss ${loss.toFixed(4)}`),
    },
  );
  const result = {
    layers: trained.layers,
    trained: examples.length,
    validated: held.length,
    epochs: trained.epochs,
    loss: { before: round(trained.before), after: round(trained.after) },
    before: figures(base, ofDevice),
    after: figures(trained.layers, ofDevice),
    generatedBefore: figures(base, ofGenerator),
    generatedAfter: figures(trained.layers, ofGenerator),
  };
  mustBeBetter(result, tuning.keeps);
  return result;
}

function mustBeBetter(
  { epochs, before, after, generatedBefore, generatedAfter }: Learned,
  keeps: readonly string[],
): void {
  if (epochs === 0)
    throw new GatewayError('TUNE_NO_GAIN', 'no epoch was better on the held-out windows than the base model');
  const sum = (figures: Readonly<Record<string, number>>): number =>
    Object.values(figures).reduce((total, value) => total + value, 0);
  if (sum(after) < sum(before))
    throw new GatewayError('TUNE_NO_GAIN', 'the tuned model is worse on the held-out windows', {
      received: after,
      expected: JSON.stringify(before),
    });
  for (const name of keeps) {
    const value = generatedBefore[name]!;
    if (generatedAfter[name]! >= value - MAY_FORGET) continue;
    throw new GatewayError(
      'TUNE_NO_GAIN',
      `the tuned model forgot what it knew: ${name} on generated samples`,
      {
        received: generatedAfter[name],
        expected: `at least ${round(value - MAY_FORGET)}`,
      },
    );
  }
}

/** Features are what takes time, and windows come several times. */
const known = new WeakMap<Float32Array, Float32Array>();

export function featuresOf(tuning: Tuning, window: Float32Array): Float32Array {
  const before = known.get(window);
  if (before) return before;
  const x = new Float32Array(tuning.features);
  tuning.writeFeatures(window, x, 0);
  known.set(window, x);
  return x;
}

const heldFeatures = (tuning: Tuning, examples: readonly Example[]): Float32Array[] =>
  examples.map(({ values }) => featuresOf(tuning, values));

function batchOf(tuning: Tuning, examples: readonly Example[]): Batch {
  const units = tuning.layers.at(-1)!.columns;
  const x = new Float32Array(examples.length * tuning.features);
  const y = new Float32Array(examples.length * units);
  for (const [i, { values, target }] of examples.entries()) {
    x.set(featuresOf(tuning, values), i * tuning.features);
    y.set(target, i * units);
  }
  return { x, y, count: examples.length };
}

function shuffled<T>(list: T[], uniform: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;

const rounded = (figures: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)]));

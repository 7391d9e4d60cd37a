import type { Random } from '../training/random.ts';
import type { Tuning } from '../training/tuning.ts';
import { FEATURES, features } from './features.ts';
import { labelledWindow, RECENT, WINDOW } from './generate.ts';

/** The share of windows with the highest scores that is taken for real anomalies and left out. */
const LEFT_OUT = 0.02;
const THRESHOLD = 0.9;

/**
 * Adapts the network to the ordinary readings of one plant, without labels: its own windows are ordinary but for the
 * few with the highest scores; copies of them with an anomaly put into their newest readings are not.
 */
export const tuning: Tuning = {
  columns: [],
  rows: WINDOW,
  hop: WINDOW / 4,
  features: FEATURES,
  layers: [
    { rows: FEATURES, columns: 48, activation: 'relu' },
    { rows: 48, columns: 24, activation: 'relu' },
    { rows: 24, columns: 1, activation: 'sigmoid' },
  ],
  leastWindows: 100,
  leastExamples: 100,
  method: `the windows of the stream but for the ${100 * LEFT_OUT} % with the highest scores as ordinary, copies of them with a spike, a step or noise put into the newest readings as anomalies; generated signals beside them, so that nothing is forgotten`,
  limits: `It takes for granted that at most ${100 * LEFT_OUT} % of the readings were anomalous: a fault that was there for longer is learnt as ordinary.`,
  keeps: ['quiet', 'recall'],
  writeFeatures: features,
  examples(windows, random) {
    const scores = windows.map(({ answer }) => answer[0]!).sort((a, b) => a - b);
    const limit = scores[Math.floor((scores.length - 1) * (1 - LEFT_OUT))] ?? 1;
    return windows
      .filter(({ answer }) => answer[0]! <= limit)
      .flatMap(({ values }) => [
        { values, target: Float32Array.of(0) },
        { values: disturbed(values, random), target: Float32Array.of(1) },
      ]);
  },
  rehearsal(random, count) {
    return Array.from({ length: count }, () => {
      const { values, anomalous } = labelledWindow(random);
      return { values, target: Float32Array.of(anomalous ? 1 : 0) };
    });
  },
  figures(examples, answers) {
    const share = (wanted: number, alarm: boolean): number => {
      const of = examples.flatMap(({ target }, i) =>
        target[0] === wanted ? [answers[i]![0]! >= THRESHOLD] : [],
      );
      return of.filter((alarmed) => alarmed === alarm).length / Math.max(1, of.length);
    };
    return { quiet: share(0, false), recall: share(1, true) };
  },
};

/** The window with an anomaly in its newest readings, measured by its own spread and steps. */
function disturbed(values: Float32Array, random: Random): Float32Array {
  const history = values.subarray(0, WINDOW - RECENT);
  const mean = history.reduce((sum, x) => sum + x, 0) / history.length;
  const spread = Math.sqrt(history.reduce((sum, x) => sum + (x - mean) ** 2, 0) / history.length);
  const step = spread > 0 ? spread : Math.max(1e-3, Math.abs(mean) * 1e-3);
  const strength = random.between(4, 10) * step * (random.chance(0.5) ? 1 : -1);
  const copy = values.slice();
  const kind = random.pick(['spike', 'step', 'noise'] as const);
  if (kind === 'spike') copy[WINDOW - 1]! += strength;
  const from = WINDOW - random.integer(2, RECENT);
  for (let i = from; i < WINDOW && kind !== 'spike'; i++)
    copy[i]! += kind === 'step' ? strength : Math.abs(strength) * random.normal();
  return copy;
}

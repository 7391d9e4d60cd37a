import type { Random } from '../training/random.ts';
import type { DeviceWindow, Example, Tuning } from '../training/tuning.ts';
import { FEATURES, features } from './features.ts';
import { CONDITIONS, vibration, WINDOW } from './generate.ts';

/** Windows on either side whose answers are averaged: the condition of a machine changes slower than in two seconds. */
const NEIGHBOURS = 4;
/** Mean probability from which an averaged answer is taken for true. */
const SURE = 0.8;
/** At most this share of the examples without labels may be of one condition. */
const MOST_OF_ONE = 0.6;

/**
 * Adapts the network to one plant. A label counts as it is. A window without one takes the condition that it and its
 * neighbours agree on; where they do not, it is left out.
 */
export const tuning: Tuning = {
  columns: ['x', 'y', 'z'],
  rows: WINDOW,
  hop: WINDOW,
  features: FEATURES,
  layers: [
    { rows: FEATURES, columns: 32, activation: 'relu' },
    { rows: 32, columns: CONDITIONS.length, activation: 'softmax' },
  ],
  leastWindows: 60,
  leastExamples: 40,
  labels: CONDITIONS,
  method:
    'labels where there are any; else what the base model says of a window and its eight neighbours together, where they agree; generated signals of every condition beside them, so that nothing is forgotten',
  limits:
    'Without labels it learns to say steadily what the base model already mostly said on this machine: noise and mounting, not conditions that the base model takes for something else. Label some windows to teach it those.',
  keeps: ['agreement'],
  writeFeatures: features,
  examples(windows, random) {
    const labelled: Example[] = [];
    const guessed = new Map<number, Example[]>();
    for (const run of runsOf(windows)) {
      for (const [i, { values, label }] of run.entries()) {
        const known = label === undefined ? -1 : (CONDITIONS as readonly string[]).indexOf(label);
        if (known >= 0) labelled.push({ values, target: oneOf(known) });
        else if (label === undefined) {
          const condition = agreed(run, i);
          if (condition < 0) continue;
          const list = guessed.get(condition) ?? [];
          list.push({ values, target: oneOf(condition) });
          guessed.set(condition, list);
        }
      }
    }
    return [...labelled, ...balanced([...guessed.values()], random)];
  },
  rehearsal(random, count) {
    return Array.from({ length: count }, () => {
      const condition = random.integer(0, CONDITIONS.length - 1);
      return {
        values: vibration(random, CONDITIONS[condition]!, random.uniform()),
        target: oneOf(condition),
      };
    });
  },
  figures(examples, answers) {
    let right = 0;
    let sure = 0;
    for (const [i, { target }] of examples.entries()) {
      const answer = answers[i]!;
      const best = answer.indexOf(Math.max(...answer));
      if (target[best] === 1) right++;
      sure += answer[target.indexOf(1)]!;
    }
    const count = Math.max(1, examples.length);
    return { agreement: right / count, certainty: sure / count };
  },
};

/** Windows of one device each, in order. */
function runsOf(windows: readonly DeviceWindow[]): DeviceWindow[][] {
  const runs = new Map<string, DeviceWindow[]>();
  for (const window of windows) {
    const run = runs.get(window.device) ?? [];
    run.push(window);
    runs.set(window.device, run);
  }
  return [...runs.values()];
}

/** The condition that a window and its neighbours agree on, -1 when they do not. */
function agreed(run: readonly DeviceWindow[], at: number): number {
  const around = run.slice(Math.max(0, at - NEIGHBOURS), at + NEIGHBOURS + 1);
  const mean = CONDITIONS.map(
    (_, c) => around.reduce((sum, { answer }) => sum + answer[c]!, 0) / around.length,
  );
  const best = mean.indexOf(Math.max(...mean));
  return mean[best]! >= SURE ? best : -1;
}

/** Thins out the most frequent condition: a machine that always runs well must not make everything look well. */
function balanced(lists: readonly Example[][], random: Random): Example[] {
  const others = lists.reduce((sum, list) => sum + list.length, 0);
  return lists.flatMap((list) => {
    const rest = others - list.length;
    const most = rest === 0 ? list.length : Math.ceil((rest * MOST_OF_ONE) / (1 - MOST_OF_ONE));
    return list.length <= most ? list : list.filter(() => random.chance(most / list.length));
  });
}

function oneOf(condition: number): Float32Array {
  const target = new Float32Array(CONDITIONS.length);
  target[condition] = 1;
  return target;
}

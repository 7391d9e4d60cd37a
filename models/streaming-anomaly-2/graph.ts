import type { OnnxGraph } from '../training/onnx.ts';
import { Operators } from './operators.ts';
import {
  ALARM,
  CAP,
  EVENT,
  EXPERIENCE,
  FARTHEST,
  FLOOR,
  FORGET,
  HABIT,
  LARGEST,
  MEASURES,
  MEMORIES,
  type Memory,
  PHASES,
  QUIET,
  ROUGHNESS,
  ROUNDING,
  SMOOTH,
  WARM_UP,
  WINDOW,
  WINSOR,
} from './settings.ts';

/** State of one device: name of the input, of the output with its successor, values. */
export interface StatePair {
  readonly input: string;
  readonly output: string;
  readonly shape: readonly number[];
}

const pair = (name: string, ...shape: number[]): StatePair => ({
  input: name,
  output: `${name}_next`,
  shape: [1, ...shape],
});

const memoryName = ({ stride }: Memory): string => `every_${stride}`;
/** Readings, phase, mean, variance, loudest, reported. */
const SIGNAL = pair('signal', 6);
/** Seen, mean, variance, smooth of each measure. */
const STATISTICS = pair('statistics', 4, MEASURES);
const ROUGH = pair('roughness', ROUGHNESS.blocks);

export const STATE: readonly StatePair[] = [
  SIGNAL,
  STATISTICS,
  ...MEMORIES.map((memory) => pair(memoryName(memory), memory.blocks)),
  ROUGH,
];

/** A distance that stands for "nothing to compare with": more than squares of {@link LARGEST} can sum to. */
const NOTHING = 1e36;

/** The detector as operators on `[N, 64]` and the state; answers the name of the `[N, 1]` score. */
export function detectorGraph(graph: OnnxGraph): string {
  const o = new Operators(graph);
  const raw = graph.input('input', ['N', WINDOW]);
  for (const { input, shape } of STATE) graph.input(input, ['N', ...shape.slice(1)]);
  const [readings, phase, mean, variance, loudest, reported] = o.columns(SIGNAL.input, 6) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];

  const window = o.clip(o.where(graph.node('IsNaN', [raw]), mean, raw), -LARGEST, LARGEST);
  const first = o.less(readings, 0.5);
  const count = o.where(first, o.scalar(WINDOW), o.min(o.add(readings, 1), 1e6));
  const phaseNow = o.where(first, o.scalar(0), o.modulo(o.add(phase, 1), PHASES));
  const rest = { o, first, phase: phaseNow, count };

  const share = o.max(o.div(o.scalar(1), count), FORGET);
  const error = o.sub(o.column(window, WINDOW - 1), mean);
  const average = o.mean(window, 1);
  const deviation = o.sub(window, average);
  const meanNow = o.where(first, average, o.add(mean, o.mul(share, error)));
  const varianceNow = o.where(
    first,
    o.mean(o.mul(deviation, deviation), 1),
    o.mul(o.sub(o.scalar(1), share), o.add(variance, o.mul(share, o.mul(error, error)))),
  );
  const spread = o.add(o.add(o.sqrt(varianceNow), o.mul(o.abs(meanNow), ROUNDING)), 1e-12);

  const parts = MEMORIES.map((memory) => recall(rest, memory, window));
  const rough = roughness(rest, window, spread);
  const squares = o.concat(parts.map(({ squares }) => squares));
  const lengths = MEMORIES.flatMap(({ shapes }) => shapes);
  const root = o.sqrt(
    o.mul(
      squares,
      graph.floats(
        lengths.map((m) => 1 / m),
        [1, lengths.length],
      ),
    ),
  );
  const distances = o.concat([o.div(root, spread), rough.distance]);
  const known = o.concat([o.less(squares, NOTHING / 2), o.less(rough.distance, NOTHING / 2)], 1);
  const measures = measure(o, o.min(distances, FARTHEST), known);
  const total = MEASURES - 1 + ROUGHNESS.weight;
  const weights = Array.from(
    { length: MEASURES },
    (_, i) => (i < MEASURES - 1 ? 1 : ROUGHNESS.weight) / total,
  );
  const unusual = o.matmul(measures.above, o.floats(weights, [MEASURES, 1]));
  const experience = o.div(count, o.add(count, EXPERIENCE));
  const event = declustered(o, o.mul(unusual, experience), loudest, reported);

  const next = [count, phaseNow, meanNow, varianceNow, event.loudest, event.reported];
  const states = [o.concat(next), measures.statistics, ...parts.map(({ memory }) => memory), rough.memory];
  for (const [i, { output, shape }] of STATE.entries())
    graph.output(output, states[i]!, ['N', ...shape.slice(1)]);
  return event.score;
}

interface Rest {
  readonly o: Operators;
  /** Whether this is the device's first window: `[N, 1]`. */
  readonly first: string;
  readonly phase: string;
  readonly count: string;
}

/** Old memory with what is new of it. `blocks` are those of the whole window, all new at first. */
function remember(
  { o, first, phase }: Rest,
  old: string,
  size: number,
  blocks: string,
  n: number,
  stride: number,
) {
  const all = o.concat([o.slice(old, n, size), blocks]);
  const pushed = o.concat([o.slice(old, 1, size), o.slice(blocks, n - 1, n)]);
  const steady = stride === 1 ? pushed : o.where(o.less(o.modulo(phase, stride), 0.5), pushed, old);
  return n === 1 ? steady : o.where(first, all, steady);
}

/** The memory with the newest block, and squared distances of the newest shapes from the nearest in it. */
function recall(rest: Rest, memory: Memory, window: string): { memory: string; squares: string } {
  const { o, count } = rest;
  const { stride, blocks, shapes } = memory;
  const n = WINDOW / stride;
  const means = stride === 1 ? window : o.mean(o.reshape(window, [0, n, stride]), 2, false);
  const now = remember(rest, memoryName(memory), blocks, means, n, stride);
  const longest = shapes.at(-1)!;
  const places = blocks - longest + 1;
  // [N, longest, places]: what lies in memory at each place, one row per block of the shape.
  const shifted = o.unfold(o.reshape(now, [0, 1, blocks]), longest);
  const shape = o.reshape(o.slice(means, n - longest, n), [0, longest, 1]);
  const difference = o.sub(shifted, shape);
  // Sums over the last blocks, as many as each shape has: [N, shapes, places].
  const chosen = shapes.flatMap((length) =>
    Array.from({ length: longest }, (_, row) => (row >= longest - length ? 1 : 0)),
  );
  const sums = o.matmul(o.floats(chosen, [shapes.length, longest]), o.mul(difference, difference));
  const starts = shapes.flatMap((length) =>
    Array.from({ length: places }, (_, at) => {
      const start = at + longest - length;
      return start <= blocks - 2 * length ? start : -1;
    }),
  );
  const empty = o.sub(o.scalar(blocks), o.min(o.floor(o.div(count, stride)), blocks));
  const valid = o.less(o.sub(o.reshape(empty, [0, 1, 1]), o.floats(starts, [1, shapes.length, places])), 0.5);
  return { memory: now, squares: o.least(o.where(valid, sums, o.scalar(NOTHING)), 2) };
}

function roughness(rest: Rest, window: string, spread: string): { memory: string; distance: string } {
  const { o, count } = rest;
  const { stride, blocks, floor } = ROUGHNESS;
  const from = WINDOW - 3 * stride;
  const steps = o.abs(o.sub(o.slice(window, from, WINDOW), o.slice(window, from - 1, WINDOW - 1)));
  const means = o.mean(o.reshape(steps, [0, 3, stride]), 2, false);
  const logs = o.log(o.add(o.div(means, spread), floor));
  const now = remember(rest, ROUGH.input, blocks, logs, 3, stride);
  const filled = o.min(o.sub(o.floor(o.div(count, stride)), 1), blocks);
  const places = Array.from({ length: blocks }, (_, at) => (at < blocks - 1 ? at : -1));
  const valid = o.less(o.sub(o.sub(o.scalar(blocks), filled), o.floats(places, [1, blocks])), 0.5);
  const far = o.abs(o.sub(now, o.slice(logs, 2, 3)));
  return { memory: now, distance: o.least(o.where(valid, far, o.scalar(NOTHING)), 1, true) };
}

/** Spreads above the mean of each measure, 0 while it warms up, and its statistics: `[N, 4, measures]`. */
function measure(o: Operators, values: string, known: string): { above: string; statistics: string } {
  const [seen, mean, variance, smooth] = o.rows(STATISTICS.input, 4) as [string, string, string, string];
  const one = o.asFloat(known);
  const seenNow = o.min(o.add(seen, one), 1e6);
  const times = o.max(seenNow, 1);
  const smoothNow = o.add(smooth, o.mul(one, o.div(o.sub(values, smooth), o.min(times, SMOOTH))));
  const spread = o.add(o.sqrt(variance), FLOOR);
  const above = o.sub(smoothNow, mean);
  const warm = o.both(known, o.greater(seenNow, WARM_UP));
  const share = o.max(o.div(o.scalar(1), times), FORGET);
  const limit = o.where(o.less(seenNow, WINSOR.after), o.scalar(NOTHING), o.mul(spread, WINSOR.spreads));
  const error = o.mul(one, o.max(o.negative(limit), o.min(limit, above)));
  const kept = o.sub(o.scalar(1), o.mul(one, share));
  const varianceNow = o.mul(kept, o.add(variance, o.mul(share, o.mul(error, error))));
  const meanNow = o.add(mean, o.mul(share, error));
  return {
    above: o.where(warm, o.clip(o.div(above, spread), 0, CAP), o.scalar(0)),
    statistics: o.reshape(o.concat([seenNow, meanNow, varianceNow, smoothNow]), [0, 4, MEASURES]),
  };
}

/** The score, and what is remembered of events. */
function declustered(o: Operators, unusual: string, loudest: string, reported: string) {
  const past = o.mul(reported, Math.exp(-1 / HABIT.readings));
  const before = o.mul(loudest, Math.exp(-1 / EVENT.readings));
  const height = o.div(unusual, o.add(o.mul(past, HABIT.weight), 1));
  const loud = o.greater(height, QUIET);
  const event = o.both(loud, o.greater(unusual, before));
  const shown = o.where(event, height, o.min(height, QUIET));
  const most = o.max(before, o.mul(unusual, EVENT.gain));
  return {
    score: o.sub(o.scalar(1), o.exp(o.mul(shown, -Math.LN10 / ALARM))),
    loudest: o.where(event, most, before),
    reported: o.add(past, o.where(event, o.min(height, HABIT.most), o.scalar(0))),
  };
}

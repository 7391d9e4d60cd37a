import { COLUMNS, PARAMETERS } from './parameters.ts';

/** What is kept of one device; zeros at first. The ONNX graph keeps the same in its state tensors. */
export interface DetectorState {
  /** Values seen per column. */
  readonly count: Float64Array;
  readonly level: Float64Array;
  readonly reference: Float64Array;
  /** Row-major, of the deviations of levels from references. */
  readonly covariance: Float64Array;
  /** Whether an alarm stands, its peak, readings of settling left, the largest statistic while learning. */
  alarm: boolean;
  peak: number;
  settling: number;
  highest: number;
}

export interface Verdict {
  /** 0 ordinary to 1; an alarm stands at 0.5 and above. 0 while learning. */
  readonly score: number;
  /** Standard deviations of each column from its reference; 0 for missing columns and while unknown. */
  readonly deviations: readonly number[];
  /** Share of the learning time that is over. */
  readonly learned: number;
}

export function emptyState(): DetectorState {
  const zeros = (size: number): Float64Array => new Float64Array(size);
  return {
    count: zeros(COLUMNS),
    level: zeros(COLUMNS),
    reference: zeros(COLUMNS),
    covariance: zeros(COLUMNS * COLUMNS),
    alarm: false,
    peak: 0,
    settling: 0,
    highest: 0,
  };
}

const P = PARAMETERS;
const clip = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));
/** Weight of a new value in a mean over all values at first, later over the time constant. */
const rate = (count: number, time: number): number => Math.max(1 / (count + 1), 1 / time);

/**
 * The detector in plain arithmetic, in double precision: the reference that the graph is compared with. Takes one
 * reading of at most {@link COLUMNS} columns, NaN for a missing one, and moves `state` on.
 */
export function step(state: DetectorState, row: ArrayLike<number>): Verdict {
  const { count, level, reference, covariance } = state;
  const given = Array.from({ length: COLUMNS }, (_, i) => i < row.length && !Number.isNaN(row[i]!));
  for (let i = 0; i < COLUMNS; i++) {
    if (given[i]) level[i]! += (clip(row[i]!, -P.largest, P.largest) - level[i]!) * rate(count[i]!, P.level);
  }
  const most = Math.max(...count);
  const learning = most < P.learn;
  const noting = most >= P.note;
  const known = Array.from(count, (n) => n >= (learning && noting ? P.note : P.learn));
  const spread = Array.from(
    reference,
    (m, i) => Math.sqrt(covariance[i * COLUMNS + i]!) + P.relativeFloor * Math.abs(m) + P.floor,
  );
  const far = Array.from(reference, (m, i) =>
    known[i] && given[i] ? clip((level[i]! - m) / spread[i]!, -P.furthest, P.furthest) : 0,
  );
  const statistic = statisticOf(far, known, spread, covariance);
  if (learning) state.highest = Math.max(state.highest, statistic);
  const threshold = clip(P.margin * state.highest, 1, P.highest);
  if (!learning) judge(state, statistic, threshold);
  learn(state, given, spread);
  const deviations = far.slice(0, row.length);
  const learned = Math.min(1, (most + 1) / P.learn);
  if (learning) return { score: 0, deviations, learned };
  const share = statistic / threshold;
  const score = state.alarm ? Math.max(0.5, 1 - 0.5 / Math.max(share, 1e-6)) : Math.min(0.499, share / 2);
  return { score, deviations, learned };
}

/** The larger of the joint deviation (Mahalanobis, shrunk correlation) and the largest single one; 1 is suspicious. */
function statisticOf(
  far: readonly number[],
  known: readonly boolean[],
  spread: readonly number[],
  covariance: Float64Array,
): number {
  const columns = known.filter(Boolean).length;
  const correlation = far.map((_, i) =>
    far.map((_, j) =>
      i === j
        ? 1
        : known[i] && known[j]
          ? ((1 - P.shrinkage) * covariance[i * COLUMNS + j]!) / (spread[i]! * spread[j]!)
          : 0,
    ),
  );
  const solved = solve(correlation, far);
  const square = far.reduce((sum, z, i) => sum + z * solved[i]!, 0) / Math.max(1, columns);
  const joint = Math.sqrt(Math.max(0, square)) / P.joint;
  return Math.max(joint, Math.max(...far.map(Math.abs)) / P.single);
}

/** Gaussian elimination; the matrix is symmetric and its eigenvalues are at least the shrinkage. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const a = matrix.map((row, i) => [...row, right[i]!]);
  for (let p = 0; p < a.length; p++) {
    for (let r = p + 1; r < a.length; r++) {
      const factor = a[r]![p]! / a[p]![p]!;
      for (let c = p; c <= a.length; c++) a[r]![c]! -= factor * a[p]![c]!;
    }
  }
  const x = right.map(() => 0);
  for (let p = a.length - 1; p >= 0; p--) {
    let sum = a[p]![a.length]!;
    for (let c = p + 1; c < a.length; c++) sum -= a[p]![c]! * x[c]!;
    x[p] = sum / a[p]![p]!;
  }
  return x;
}

/** Begins and ends alarms. */
function judge(state: DetectorState, statistic: number, threshold: number): void {
  const before = state.alarm;
  if (before) state.peak = Math.max(state.peak, statistic);
  const settling = state.settling > 0;
  const limit = settling ? Math.max(threshold, P.again * P.endOfPeak * state.peak) : threshold;
  const begins = !before && statistic > limit;
  const ends = before && statistic < Math.max(P.end * threshold, P.endOfPeak * state.peak);
  if (begins && !settling) state.peak = statistic;
  state.alarm = (before && !ends) || begins;
  if (ends) state.settling = P.after;
  else if (!state.alarm) state.settling = Math.max(0, state.settling - 1);
}

/** Moves references, spread and correlation on. */
function learn(state: DetectorState, given: readonly boolean[], spread: readonly number[]): void {
  const { count, level, reference, covariance } = state;
  const time = state.alarm ? P.referenceInAlarm : state.settling > 0 ? P.referenceAfter : P.reference;
  const steady = state.alarm || state.settling > 0 ? 0 : 1 / P.spread;
  const away = Array.from(level, (s, i) => {
    const d = s - reference[i]!;
    const limit = P.outlier * spread[i]!;
    return count[i]! >= P.learn ? clip(d, -limit, limit) : d;
  });
  for (let i = 0; i < COLUMNS; i++) {
    for (let j = 0; j < COLUMNS; j++) {
      if (!given[i] || !given[j]) continue;
      const seen = Math.min(count[i]!, count[j]!);
      const weight = seen >= P.learn ? steady : seen >= P.settle ? rate(seen - P.settle, P.spread) : 0;
      covariance[i * COLUMNS + j]! += (away[i]! * away[j]! - covariance[i * COLUMNS + j]!) * weight;
    }
  }
  for (let i = 0; i < COLUMNS; i++) {
    if (!given[i]) continue;
    const weight = count[i]! >= P.learn ? 1 / time : rate(count[i]!, P.reference);
    reference[i]! += (level[i]! - reference[i]!) * weight;
    count[i]!++;
  }
}

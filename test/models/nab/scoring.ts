/**
 * The scoring rule of the Numenta Anomaly Benchmark, from its definition: A. Lavin, S. Ahmad, "Evaluating Real-time
 * Anomaly Detection Algorithms", ICMLA 2015, section II, with the constants of NAB 1.1.
 *
 * - A score at or above the threshold is a detection. Rows of the probationary period never count.
 * - In an anomaly window only the best detection counts: the earlier the better, σ from 1 at its left edge to 0 at its
 *   right edge. A window without a detection costs the weight of a false negative.
 * - Each detection outside costs up to the weight of a false positive, little when it comes just after a window.
 * - One threshold for all series, chosen for the best sum; 0 is a detector that says nothing, 100 a perfect one.
 */

/** A series with its labels. A window is the indices of its first and last row. */
export interface LabelledSeries {
  readonly name: string;
  readonly length: number;
  readonly windows: readonly (readonly [first: number, last: number])[];
}

/** One weight for each kind of answer; NAB's fourth, of a true negative, is never used. */
export interface Profile {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
}

/** NAB's three application profiles. */
export const PROFILES = {
  standard: { truePositive: 1, falsePositive: 0.11, falseNegative: 1 },
  lowFalsePositives: { truePositive: 1, falsePositive: 0.22, falseNegative: 1 },
  lowFalseNegatives: { truePositive: 1, falsePositive: 0.11, falseNegative: 2 },
} as const satisfies Record<string, Profile>;

/** Rows at the start of a series that are not judged: 15 %, of at most 5,000 rows. */
export function probation(rows: number): number {
  return Math.ceil(Math.min(Math.floor(0.15 * rows), 0.15 * 5000));
}

/** What a detection is worth at a position relative to a window: −1 its left edge, 0 its right edge, > 0 behind it. */
export function worth(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

const NO_WINDOW = -1;
const PROBATION = -2;

interface Weighted {
  /** What a detection in each row adds. */
  readonly weights: Float64Array;
  /** The index of the row's window, {@link NO_WINDOW} or {@link PROBATION}. */
  readonly window: Int32Array;
}

function weigh(series: LabelledSeries, profile: Profile): Weighted {
  const weights = new Float64Array(series.length);
  const window = new Int32Array(series.length);
  let next = 0;
  for (let row = 0; row < series.length; row++) {
    const inside = series.windows[next];
    if (inside !== undefined && row >= inside[0]) {
      const width = inside[1] - inside[0] + 1;
      weights[row] = (worth(-(inside[1] - row + 1) / width) / worth(-1)) * profile.truePositive;
      window[row] = next;
      if (row === inside[1]) next++;
    } else {
      const before = series.windows[next - 1];
      const value = before === undefined ? -1 : worth((row - before[1]) / (before[1] - before[0]));
      weights[row] = value * profile.falsePositive;
      window[row] = NO_WINDOW;
    }
  }
  window.fill(PROBATION, 0, probation(series.length));
  return { weights, window };
}

/** What one threshold gives on some series. */
export interface Outcome {
  /** Sum over all series, not normalised. */
  readonly raw: number;
  /** 0 for the detector that says nothing, 100 for the perfect one; NaN without windows. */
  readonly normalised: number;
  readonly windowsFound: number;
  readonly windows: number;
  /** Detections outside all windows. */
  readonly falsePositives: number;
}

/** The score of each series' detections (`scores[i] ≥ threshold`) together. */
export function scoreAt(
  series: readonly LabelledSeries[],
  scores: readonly ArrayLike<number>[],
  threshold: number,
  profile: Profile,
): Outcome {
  let raw = 0;
  let windows = 0;
  let judged = 0;
  let windowsFound = 0;
  let falsePositives = 0;
  for (const [index, one] of series.entries()) {
    const { weights, window } = weigh(one, profile);
    const best = new Map<number, number>();
    for (let row = 0; row < one.length; row++) {
      const place = window[row]!;
      if (place === PROBATION) continue;
      const detected = scores[index]![row]! >= threshold;
      if (place !== NO_WINDOW) {
        const found = best.get(place) ?? Number.NEGATIVE_INFINITY;
        best.set(place, detected ? Math.max(found, weights[row]!) : found);
      } else if (detected) {
        falsePositives++;
        raw += weights[row]!;
      }
    }
    for (const found of best.values()) {
      raw += Math.max(found, -profile.falseNegative);
      if (found > Number.NEGATIVE_INFINITY) windowsFound++;
    }
    judged += best.size;
    windows += one.windows.length;
  }
  const nothing = -profile.falseNegative * judged;
  const perfect = profile.truePositive * windows;
  const normalised = (100 * (raw - nothing)) / (perfect - nothing);
  return { raw, normalised, windowsFound, windows, falsePositives };
}

/**
 * The one threshold that gives the highest score on all series together: a sweep over all scores from above. A
 * threshold that no score reaches is among the candidates; of equal ones the highest wins.
 */
export function bestThreshold(
  series: readonly LabelledSeries[],
  scores: readonly ArrayLike<number>[],
  profile: Profile,
): number {
  const rows: { score: number; weight: number; best: number }[] = [];
  const best: number[] = [];
  for (const [index, one] of series.entries()) {
    const { weights, window } = weigh(one, profile);
    const slots = one.windows.map(() => best.push(-profile.falseNegative) - 1);
    for (let row = 0; row < one.length; row++) {
      const place = window[row]!;
      if (place === PROBATION) continue;
      const slot = place === NO_WINDOW ? NO_WINDOW : slots[place]!;
      rows.push({ score: scores[index]![row]!, weight: weights[row]!, best: slot });
    }
  }
  rows.sort((a, b) => b.score - a.score);
  let gained = 0;
  let highest = 0;
  let threshold = Number.POSITIVE_INFINITY;
  for (const [index, row] of rows.entries()) {
    if (row.best === NO_WINDOW) gained += row.weight;
    else if (row.weight > best[row.best]!) {
      gained += row.weight - best[row.best]!;
      best[row.best] = row.weight;
    }
    if (rows[index + 1]?.score !== row.score && gained > highest + 1e-12) {
      highest = gained;
      threshold = row.score;
    }
  }
  return threshold;
}

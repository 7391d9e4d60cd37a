import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../models/training/random.ts';
import { bestThreshold, type LabelledSeries, PROFILES, probation, scoreAt, worth } from './scoring.ts';

const { standard, lowFalsePositives, lowFalseNegatives } = PROFILES;

/** 100 rows, the first 15 of them probation, with an anomaly in rows 50 to 59. */
const ONE: LabelledSeries = { name: 'one', length: 100, windows: [[50, 59]] };

/** Scores of 1 in some rows. */
const detections = (...rows: number[]): Float64Array => {
  const scores = new Float64Array(100);
  for (const row of rows) scores[row] = 1;
  return scores;
};

const normalised = (rows: number[], profile = standard as (typeof PROFILES)[keyof typeof PROFILES]) =>
  scoreAt([ONE], [detections(...rows)], 1, profile).normalised;

describe('the rule', () => {
  test('weighs positions as the paper does', () => {
    expect(worth(-1)).toBeCloseTo(0.98661, 5);
    expect(worth(-0.5)).toBeCloseTo(0.84828, 5);
    expect(worth(0)).toBe(0);
    expect(worth(1)).toBeCloseTo(-0.98661, 5);
    expect(worth(3.01)).toBe(-1);
  });

  test('does not judge the first 15 %, of 5,000 rows at most', () => {
    expect(probation(4000)).toBe(600);
    expect(probation(4032)).toBe(604);
    expect(probation(22_695)).toBe(750);
    expect(normalised([0, 14])).toBe(0);
    expect(normalised([15])).toBeCloseTo(-5.5, 10);
  });

  test('gives 0 to silence and 100 to a detection at the left edge of each window', () => {
    expect(normalised([])).toBe(0);
    expect(normalised([50])).toBeCloseTo(100, 10);
  });

  test('counts the earliest detection of a window only', () => {
    // Last row: position −1/10, (2σ(0.5) − 1) / (2σ(5) − 1) = 0.24492 / 0.98661 = 0.24824; (0.24824 + 1) / 2
    expect(normalised([59])).toBeCloseTo(62.412, 3);
    expect(normalised([59, 50])).toBeCloseTo(100, 10);
    expect(normalised([51, 52, 53, 59])).toBeCloseTo(normalised([51]), 10);
  });

  test('charges detections outside, little just behind a window', () => {
    // (1 − 0.11 + 1) / 2 and with twice the weight
    expect(normalised([50, 30])).toBeCloseTo(94.5, 10);
    expect(normalised([50, 30], lowFalsePositives)).toBeCloseTo(89, 10);
    // Row 64: position 5/9, 2σ(−25/9) − 1 = −0.88294
    expect(normalised([50, 64])).toBeCloseTo(100 - (0.88294 * 0.11 * 100) / 2, 3);
    // Row 87 is more than three widths behind.
    expect(normalised([50, 87])).toBeCloseTo(94.5, 10);
  });

  test('charges a missed window, twice in the profile against false negatives', () => {
    const two: LabelledSeries = { ...ONE, windows: [...ONE.windows, [80, 89]] };
    const score = (profile: (typeof PROFILES)[keyof typeof PROFILES]) =>
      scoreAt([two], [detections(50)], 1, profile);
    expect(score(standard)).toMatchObject({ raw: 0, windowsFound: 1, windows: 2, falsePositives: 0 });
    expect(score(standard).normalised).toBeCloseTo(50, 10);
    expect(score(lowFalseNegatives).raw).toBeCloseTo(-1, 10);
    expect(score(lowFalseNegatives).normalised).toBeCloseTo(50, 10);
  });

  test('does not charge a window that lies in the probation, but cannot give it either', () => {
    const early: LabelledSeries = { ...ONE, windows: [[5, 9], ...ONE.windows] };
    // raw 1, silence −1, perfect 2
    expect(scoreAt([early], [detections(50)], 1, standard).normalised).toBeCloseTo((100 * 2) / 3, 10);
  });
});

describe('the threshold', () => {
  test('is one for all series, the one with the best sum', () => {
    const quiet: LabelledSeries = { name: 'quiet', length: 100, windows: [] };
    const loud = detections(20, 21, 22).map((score) => score * 0.7);
    const found = Float64Array.from(detections(50), (score) => score * 0.6);
    found[52] = 0.8;
    // 0.8 finds the window late without a false alarm; 0.6 finds it at its edge for three.
    expect(bestThreshold([ONE, quiet], [found, loud], standard)).toBe(0.8);
    expect(bestThreshold([ONE], [found], standard)).toBe(0.6);
  });

  test('is out of reach when every detection costs more than it brings', () => {
    expect(bestThreshold([ONE], [detections(20)], standard)).toBe(Number.POSITIVE_INFINITY);
  });

  test('is as good as the best of all thresholds tried one by one', () => {
    const random = seededRandom(4711);
    for (let round = 0; round < 20; round++) {
      const series = [ONE, { name: 'two', length: 80, windows: [[20, 25] as const, [60, 70] as const] }];
      const scores = series.map(({ length }) =>
        Float64Array.from({ length }, () => random.integer(0, 20) / 20 + (random.chance(0.05) ? 1 : 0)),
      );
      for (const profile of Object.values(PROFILES)) {
        const at = (threshold: number) => scoreAt(series, scores, threshold, profile).raw;
        const tried = [Number.POSITIVE_INFINITY, ...scores.flatMap((one) => [...one])].map(at);
        expect(at(bestThreshold(series, scores, profile))).toBeCloseTo(Math.max(...tried), 9);
      }
    }
  });
});

/** Columns that the state has room for. */
export const COLUMNS = 16;

/**
 * What the detector is made of. Times are in readings: at one reading a second, about seven minutes of learning.
 */
export const PARAMETERS = {
  /** Readings that a device, and later each further column, is learnt from. */
  learn: 400,
  /** From this reading on the spread is known well enough to note how far normal readings get. */
  note: 200,
  /** Readings before deviations count for the spread: the level has settled by then. */
  settle: 40,
  /** Time constant of the smoothed level of each column. */
  level: 20,
  /** Time constant of the reference: the level that is normal, which may wander slowly. */
  reference: 600,
  /** The same while an alarm stands: a fault becomes normal only after hours. */
  referenceInAlarm: 10_000,
  /** The same after an alarm has ended, for `after` readings: the process settles elsewhere than before. */
  referenceAfter: 10,
  after: 120,
  /** Time constant of spread and correlation once they are learnt. */
  spread: 500,
  /** Deviations count for the spread up to this many standard deviations. */
  outlier: 4,
  /** Share by which correlations are shrunk towards none. */
  shrinkage: 0.5,
  /** Standard deviations of all columns together (root mean square, decorrelated), and of any one, that make 1. */
  joint: 3,
  single: 4,
  /** The threshold is the largest statistic of the learning time times this, between 1 and `highest`. */
  margin: 1.3,
  highest: 2,
  /** An alarm ends below this share of the threshold, or of its own peak. */
  end: 0.8,
  endOfPeak: 0.2,
  /** Below `endOfPeak` times this share of the old peak no alarm begins again while the process settles. */
  again: 1.3,
  /** Smallest standard deviation: relative to the level, and at all. */
  relativeFloor: 1e-4,
  floor: 1e-9,
  /** Values and standardised deviations beyond these are taken for these. */
  largest: 1e12,
  furthest: 1000,
} as const;

/** Steps of Newton's iteration for the inverse of a correlation matrix: enough for sixteen columns. */
export const INVERSE_STEPS = 8;

/** Readings that the detector is given at a time, the newest last. */
export const WINDOW = 64;

/** One memory of the past: means of `stride` readings each, the newest `blocks` of them. */
export interface Memory {
  readonly stride: number;
  readonly blocks: number;
  /** Lengths, in blocks, of the shapes that are looked up in it; rising. */
  readonly shapes: readonly number[];
}

/** From single readings to half a thousand windows: about 1,000, 4,000, 8,000 and 16,000 readings back. */
export const MEMORIES: readonly Memory[] = [
  { stride: 1, blocks: 1000, shapes: [1, 4, 16] },
  { stride: 4, blocks: 1000, shapes: [8, 16] },
  { stride: 16, blocks: 500, shapes: [2] },
  { stride: 32, blocks: 500, shapes: [1] },
];

/**
 * The memory of how rough the signal was: logarithms of its mean step, relative to its spread. It counts as much as
 * `weight` shapes.
 */
export const ROUGHNESS = { stride: 16, blocks: 500, floor: 0.01, weight: 2 } as const;

/** One measure of novelty per shape, and that of the roughness. */
export const MEASURES = MEMORIES.reduce((sum, { shapes }) => sum + shapes.length, 1);

/** All strides divide it, so that a count modulo it tells when a block is full. */
export const PHASES = 32;

/** Statistics are plain averages up to this many readings, then forget older ones exponentially. */
export const FORGET = 1 / 3000;
/** Changes below this part of the level are taken for rounding. */
export const ROUNDING = 1e-5;
/** Readings over which a measure is smoothed. */
export const SMOOTH = 4;
/** Readings for which a measure is only watched. */
export const WARM_UP = 250;
/** After this many readings a sensor's unusualness counts half, later more and more: what is usual is better known. */
export const EXPERIENCE = 200;
/** Part of the signal's spread that is added to the spread of a measure: smaller novelty is never unusual. */
export const FLOOR = 0.05;
/** Outliers count towards a measure's mean and spread up to this many spreads, after the first 20. */
export const WINSOR = { spreads: 8, after: 20 } as const;
/** Most spreads that one measure can contribute. */
export const CAP = 10;

/**
 * What becomes of unusualness. An event of height x is reported if it is higher than all before it, where an older one
 * counts `gain` times its own height at first, falling by the factor e each `readings` readings.
 */
export const EVENT = { gain: 4, readings: 70 } as const;
/** A sensor that has reported much lately has to do something more unusual to report again. */
export const HABIT = { weight: 0.4, readings: 5000, most: 3 } as const;
/** Unusualness at which the score is 0.9. */
export const ALARM = 0.28;
/** Unusualness up to which nothing is an event; what is not reported again is shown as this. */
export const QUIET = 0.12;

/** Inputs are cut off here, so that single precision suffices for their squares. */
export const LARGEST = 1e15;
/** Most spreads of the signal that a distance can be. */
export const FARTHEST = 1000;

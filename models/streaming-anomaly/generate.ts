import type { Random } from '../training/random.ts';

/** Readings in one window. */
export const WINDOW = 64;
/** An anomaly counts as present when it began within this many of the newest readings. */
export const RECENT = 8;

export interface LabelledWindow {
  readonly values: Float32Array;
  readonly anomalous: boolean;
}

type Signal = (random: Random, length: number) => Float64Array;

/** What ordinary sensors look like: each returns `length` values of unit size around zero. */
const SIGNALS: readonly Signal[] = [
  function noise(random, length) {
    return Float64Array.from({ length }, () => random.normal());
  },
  function periodic(random, length) {
    const period = random.between(8, 96);
    const phase = random.between(0, 2 * Math.PI);
    const overtone = random.chance(0.5) ? random.between(0, 0.5) : 0;
    const jitter = random.between(0.01, 0.3);
    return Float64Array.from({ length }, (_, i) => {
      const angle = (2 * Math.PI * i) / period + phase;
      return Math.sin(angle) + overtone * Math.sin(2 * angle) + jitter * random.normal();
    });
  },
  function wandering(random, length) {
    const pull = random.between(0.8, 0.99);
    let level = random.normal();
    return Float64Array.from({ length }, () => {
      level = pull * level + Math.sqrt(1 - pull * pull) * random.normal();
      return level;
    });
  },
  function trending(random, length) {
    const slope = random.between(-0.05, 0.05);
    const jitter = random.between(0.05, 0.5);
    return Float64Array.from({ length }, (_, i) => slope * (i - length / 2) + jitter * random.normal());
  },
  function switching(random, length) {
    const period = random.integer(6, 40);
    const duty = random.between(0.2, 0.8);
    const offset = random.integer(0, period);
    const jitter = random.between(0.005, 0.1);
    return Float64Array.from({ length }, (_, i) => {
      return (((i + offset) % period) / period < duty ? 1 : -1) + jitter * random.normal();
    });
  },
  function quantised(random, length) {
    const step = random.between(0.2, 1);
    let level = 0;
    return Float64Array.from({ length }, () => {
      level = 0.95 * level + 0.3 * random.normal();
      return Math.round(level / step) * step;
    });
  },
];

type Fault = (random: Random, values: Float64Array, start: number, size: number) => void;

/** What goes wrong, from `start` to the end of the window; `size` is the signal's own spread. */
const FAULTS: readonly Fault[] = [
  function spike(random, values, start, size) {
    const sign = random.chance(0.5) ? 1 : -1;
    values[start]! += sign * random.between(4, 12) * size;
  },
  function levelShift(random, values, start, size) {
    const shift = (random.chance(0.5) ? 1 : -1) * random.between(3.5, 9) * size;
    for (let i = start; i < values.length; i++) values[i]! += shift;
  },
  function burst(random, values, start, size) {
    const growth = random.between(4, 10);
    for (let i = start; i < values.length; i++) values[i]! += growth * size * random.normal();
  },
  function runaway(random, values, start, size) {
    const slope = (random.chance(0.5) ? 1 : -1) * random.between(1, 3) * size;
    for (let i = start; i < values.length; i++) values[i]! += slope * (i - start + 1);
  },
];

/**
 * One window with its label. Half of the windows carry a fault that began within the newest {@link RECENT} readings;
 * of the others, a third carry one that is older, so that the model learns to calm down again.
 */
export function labelledWindow(random: Random): LabelledWindow {
  const values = random.pick(SIGNALS)(random, WINDOW);
  const size = spread(values);
  const anomalous = random.chance(0.5);
  const fault = random.pick(FAULTS);
  if (anomalous) {
    fault(random, values, WINDOW - random.integer(1, fault.name === 'spike' ? 3 : RECENT), size);
  } else if (random.chance(1 / 3)) {
    const old = random.integer(2 * RECENT, WINDOW - RECENT);
    const length = fault.name === 'spike' ? 1 : random.integer(1, RECENT);
    const part = values.slice(0, WINDOW - old + length);
    fault(random, part, WINDOW - old, size);
    values.set(part);
  }
  const gain = 10 ** random.between(-2, 3);
  const offset = random.between(-20, 20) * gain;
  return { values: Float32Array.from(values, (v) => v * gain + offset), anomalous };
}

function spread(values: Float64Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) + 1e-3;
}

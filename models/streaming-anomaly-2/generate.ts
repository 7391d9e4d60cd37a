import type { Random } from '../training/random.ts';

/** A sensor's readings and what goes wrong in them. A window is the first and last reading about one fault. */
export interface LabelledSeries {
  readonly name: string;
  readonly values: Float32Array;
  readonly length: number;
  readonly windows: readonly (readonly [first: number, last: number])[];
}

type Signal = (random: Random, length: number) => Float64Array;

/** What ordinary sensors look like. */
const SIGNALS: readonly Signal[] = [
  function daily(random, length) {
    const period = random.integer(40, 300);
    const weekend = random.chance(0.5) ? random.between(0.1, 0.5) : 0;
    const jitter = random.between(0.02, 0.3);
    const overtones = [1, random.between(0, 0.6), random.between(0, 0.3)].map((height) => ({
      height,
      phase: random.between(0, 2 * Math.PI),
    }));
    return Float64Array.from({ length }, (_, i) => {
      const day = Math.floor(i / period) % 7;
      const wave = overtones.reduce(
        (sum, { height, phase }, k) => sum + height * Math.sin((2 * Math.PI * (k + 1) * i) / period + phase),
        0,
      );
      return (day < 5 ? 1 : 1 - weekend) * wave + jitter * random.normal();
    });
  },
  function wandering(random, length) {
    const pull = random.between(0, 0.98);
    let level = 0;
    return Float64Array.from({ length }, () => {
      level = pull * level + Math.sqrt(1 - pull * pull) * random.normal();
      return level;
    });
  },
  function peaks(random, length) {
    const rate = random.between(0.002, 0.03);
    const height = random.between(3, 15);
    const jitter = random.between(0.2, 1);
    const decay = random.between(0, 0.8);
    let peak = 0;
    return Float64Array.from({ length }, () => {
      peak *= decay;
      if (random.chance(rate)) peak += height * random.between(0.4, 1.6);
      return peak + jitter * random.normal();
    });
  },
  function switching(random, length) {
    const period = random.integer(20, 200);
    const duty = random.between(0.2, 0.8);
    const jitter = random.between(0.01, 0.2);
    const uneven = random.between(0, 0.2);
    let left = 0;
    let on = true;
    return Float64Array.from({ length }, () => {
      if (left-- <= 0) {
        on = !on;
        left = Math.round(period * (on ? duty : 1 - duty) * (1 + uneven * random.normal()));
      }
      return (on ? 1 : -1) + jitter * random.normal();
    });
  },
  function slow(random, length) {
    const push = random.between(0.005, 0.05);
    const jitter = random.between(0.01, 0.2);
    let level = 0;
    let speed = 0;
    return Float64Array.from({ length }, () => {
      speed = 0.97 * speed + push * random.normal();
      level = 0.998 * level + speed;
      return level + jitter * random.normal();
    });
  },
  function idle(random, length) {
    const rate = random.between(0.003, 0.02);
    let busy = 0;
    return Float64Array.from({ length }, () => {
      if (busy <= 0 && random.chance(rate)) busy = random.integer(1, 40);
      busy--;
      return Math.abs(random.normal()) * (busy > 0 ? random.between(0.5, 2) : 0.02);
    });
  },
  function skewed(random, length) {
    const width = random.between(0.2, 0.7);
    return Float64Array.from({ length }, () => Math.exp(width * random.normal()));
  },
  function quantised(random, length) {
    const step = random.between(0.2, 1);
    let level = 0;
    return Float64Array.from({ length }, () => {
      level = 0.95 * level + 0.3 * random.normal();
      return Math.round(level / step) * step;
    });
  },
  function batches(random, length) {
    const period = random.integer(60, 300);
    const width = random.integer(2, 12);
    const height = random.between(2, 8);
    const jitter = random.between(0.1, 0.5);
    return Float64Array.from(
      { length },
      (_, i) => (i % period < width ? height : 0) + jitter * random.normal(),
    );
  },
];

type Fault = (random: Random, values: Float64Array, at: number, length: number, size: number) => void;

const sign = (random: Random): number => (random.chance(0.5) ? 1 : -1);

/** What goes wrong from `at` on; `size` is the signal's own spread. */
const FAULTS: readonly Fault[] = [
  function spike(random, values, at, _length, size) {
    const height = sign(random) * random.between(5, 15) * size;
    const end = at + random.integer(1, 4);
    for (let i = at; i < end; i++) values[i]! += height;
  },
  function shift(random, values, at, _length, size) {
    const height = sign(random) * random.between(2, 6) * size;
    for (let i = at; i < values.length; i++) values[i]! += height;
  },
  function excursion(random, values, at, length, size) {
    const height = sign(random) * random.between(2, 6) * size;
    for (let i = at; i < at + length; i++) values[i]! += height;
  },
  function noisy(random, values, at, length, size) {
    const growth = random.between(1.5, 5) * size;
    for (let i = at; i < at + length; i++) values[i]! += growth * random.normal();
  },
  function stuck(_random, values, at, length) {
    values.fill(values[at]!, at, at + length);
  },
  function ramp(random, values, at, length, size) {
    const slope = (sign(random) * random.between(4, 10) * size) / length;
    for (let i = at; i < at + length; i++) values[i]! += slope * (i - at);
  },
  function amplitude(random, values, at, length) {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const factor = random.chance(0.5) ? random.between(0.1, 0.4) : random.between(1.8, 3);
    for (let i = at; i < at + length; i++) values[i] = mean + factor * (values[i]! - mean);
  },
  function tempo(random, values, at, length) {
    const original = values.slice();
    const factor = random.chance(0.5) ? random.between(0.3, 0.6) : random.between(1.6, 3);
    for (let i = at; i < at + length; i++)
      values[i] = original[Math.min(values.length - 1, Math.floor(at + (i - at) * factor))]!;
  },
];

/**
 * A series of 1,900 to 6,000 readings with up to three faults, in windows that together are a tenth of it, as the
 * Numenta Anomaly Benchmark has them. The `index` chooses the kind of signal.
 */
export function labelledSeries(random: Random, index: number): LabelledSeries {
  const length = random.integer(1900, 6000);
  const signal = SIGNALS[index % SIGNALS.length]!;
  const values = signal(random, length);
  const size = spread(values);
  const faults = random.chance(0.2) ? 0 : random.integer(1, 3);
  const width = faults === 0 ? 0 : Math.floor(length / 10 / faults);
  const begin = Math.floor(0.15 * length) + width;
  const room = (length - width - begin) / Math.max(1, faults);
  const names: string[] = [signal.name];
  const windows = Array.from({ length: faults }, (_, k) => {
    const at = Math.floor(begin + room * k + random.uniform() * Math.max(1, room - width));
    const fault = random.pick(FAULTS);
    fault(random, values, at, Math.min(random.integer(12, Math.max(13, width)), length - at - 1), size);
    names.push(fault.name);
    return [at - Math.floor(width / 2), Math.min(length - 1, at + Math.floor(width / 2))] as const;
  });
  const gain = 10 ** random.between(-2, 3);
  const offset = random.between(-20, 20) * gain;
  return {
    name: names.join('-'),
    length,
    windows,
    values: Float32Array.from(values, (v) => v * gain + offset),
  };
}

function spread(values: Float64Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) + 1e-3;
}

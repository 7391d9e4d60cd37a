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

/**
 * The detector in plain arithmetic: what the graph computes. Each step takes the newest {@link WINDOW} readings, one
 * more than at the last step, and answers the score of the newest.
 *
 * How far is the newest shape from the most similar one in memory (the discord of the left matrix profile: Y. Lu et
 * al., "Matrix Profile XXIV", KDD 2022)? Asked on several time scales, each answer compared with the usual answers of
 * this sensor, and their mean declustered into events.
 */
export class Detector {
  #readings = 0;
  #mean = 0;
  #variance = 0;
  readonly #memories = MEMORIES.map(({ blocks }) => new Float64Array(blocks));
  readonly #roughness = new Float64Array(ROUGHNESS.blocks);
  readonly #measures = Array.from({ length: MEASURES }, () => new Measure());
  #loudest = 0;
  #reported = 0;

  step(readings: Float32Array): number {
    const window = Float64Array.from(readings, (value) =>
      Number.isNaN(value) ? this.#mean : Math.max(-LARGEST, Math.min(LARGEST, value)),
    );
    const first = this.#readings === 0;
    this.#readings = first ? WINDOW : this.#readings + 1;
    this.#follow(window, first);
    const spread = Math.sqrt(this.#variance) + ROUNDING * Math.abs(this.#mean) + 1e-12;
    const distances: number[] = [];
    for (const [index, memory] of MEMORIES.entries()) {
      const blocks = blockMeans(window, memory.stride);
      this.#remember(this.#memories[index]!, blocks, memory.stride, first);
      for (const shape of memory.shapes)
        distances.push(this.#distance(index, memory, blocks.subarray(blocks.length - shape)) / spread);
    }
    distances.push(this.#rough(window, spread, first));
    let sum = 0;
    for (const [index, distance] of distances.entries()) {
      const measure = this.#measures[index]!;
      if (distance === Number.POSITIVE_INFINITY) continue;
      const weight = index === MEASURES - 1 ? ROUGHNESS.weight : 1;
      sum += weight * measure.take(Math.min(FARTHEST, distance));
    }
    const experience = this.#readings / (this.#readings + EXPERIENCE);
    return this.#event((experience * sum) / (MEASURES - 1 + ROUGHNESS.weight));
  }

  #follow(window: Float64Array, first: boolean): void {
    if (first) {
      this.#mean = window.reduce((a, b) => a + b, 0) / WINDOW;
      this.#variance = window.reduce((a, b) => a + (b - this.#mean) ** 2, 0) / WINDOW;
      return;
    }
    const share = Math.max(1 / this.#readings, FORGET);
    const error = window[WINDOW - 1]! - this.#mean;
    this.#mean += share * error;
    this.#variance = (1 - share) * (this.#variance + share * error * error);
  }

  #remember(memory: Float64Array, blocks: Float64Array, stride: number, first: boolean): void {
    const added = first ? blocks : blocks.subarray(blocks.length - 1);
    if (!first && (this.#readings % PHASES) % stride !== 0) return;
    memory.copyWithin(0, added.length);
    memory.set(added, memory.length - added.length);
  }

  /** Of `shape` from the nearest in memory that does not overlap it. */
  #distance(index: number, { stride, blocks, shapes }: Memory, shape: Float64Array): number {
    const memory = this.#memories[index]!;
    const length = shape.length;
    const filled = Math.min(blocks, Math.floor(this.#readings / stride));
    let nearest = Number.POSITIVE_INFINITY;
    const start = Math.max(blocks - filled, shapes.at(-1)! - length);
    for (let from = start; from <= blocks - 2 * length; from++) {
      let squares = 0;
      for (let i = 0; i < length && squares < nearest; i++) squares += (shape[i]! - memory[from + i]!) ** 2;
      nearest = Math.min(nearest, squares);
    }
    return Math.sqrt(nearest / length);
  }

  #rough(window: Float64Array, spread: number, first: boolean): number {
    const { stride, blocks, floor } = ROUGHNESS;
    const steps = window.subarray(1).map((value, i) => Math.abs(value - window[i]!));
    const recent = blockMeans(steps.subarray(steps.length - 3 * stride), stride);
    const logs = recent.map((step) => Math.log(step / spread + floor));
    this.#remember(this.#roughness, logs, stride, first);
    const filled = Math.min(blocks, Math.floor(this.#readings / stride) - 1);
    let nearest = Number.POSITIVE_INFINITY;
    for (let at = blocks - filled; at < blocks - 1; at++)
      nearest = Math.min(nearest, Math.abs(logs.at(-1)! - this.#roughness[at]!));
    return nearest;
  }

  #event(unusual: number): number {
    this.#reported *= Math.exp(-1 / HABIT.readings);
    this.#loudest *= Math.exp(-1 / EVENT.readings);
    let height = unusual / (1 + HABIT.weight * this.#reported);
    if (height > QUIET) {
      if (unusual > this.#loudest) {
        this.#reported += Math.min(height, HABIT.most);
        this.#loudest = Math.max(this.#loudest, EVENT.gain * unusual);
      } else height = QUIET;
    }
    return 1 - 10 ** (-height / ALARM);
  }
}

/** The usual values of one measure of novelty, and how far the newest is above them. */
class Measure {
  #seen = 0;
  #mean = 0;
  #variance = 0;
  #smooth = 0;

  /** Spreads above the mean; 0 below it and while warming up. */
  take(value: number): number {
    this.#seen++;
    this.#smooth += (value - this.#smooth) / Math.min(this.#seen, SMOOTH);
    const spread = Math.sqrt(this.#variance) + FLOOR;
    const above = this.#smooth - this.#mean;
    const share = Math.max(1 / this.#seen, FORGET);
    const limit = this.#seen < WINSOR.after ? Number.POSITIVE_INFINITY : WINSOR.spreads * spread;
    const error = Math.max(-limit, Math.min(limit, above));
    this.#mean += share * error;
    this.#variance = (1 - share) * (this.#variance + share * error * error);
    return this.#seen > WARM_UP ? Math.max(0, Math.min(CAP, above / spread)) : 0;
  }
}

/** Means of `size` values each, the last block ending with the last value. */
function blockMeans(values: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: values.length / size }, (_, block) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += values[block * size + i]!;
    return sum / size;
  });
}

/** Scores of a whole series; 0 for the readings before the first window is full. */
export function scores(values: ArrayLike<number>): Float64Array {
  const detector = new Detector();
  const series = Float32Array.from(values);
  return Float64Array.from(values, (_, i) =>
    i < WINDOW - 1 ? 0 : detector.step(series.subarray(i - WINDOW + 1, i + 1)),
  );
}

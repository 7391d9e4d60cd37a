import type { StateReader, StateWriter } from './binary.ts';

/** Largest relative error of a quantile. */
export const SKETCH_ERROR = 0.01;
const GAMMA = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR);
const LOG_GAMMA = Math.log(GAMMA);
/** Bins per sign; 2,048 of them cover 17 orders of magnitude. Beyond, the smallest magnitudes share a bin. */
const MAX_BINS = 2048;
/** Bins above that before they are joined, so that the sorting is shared by many numbers. */
const SLACK = 512;
/** Smaller magnitudes count as zero. */
const LEAST = 1e-300;

/**
 * Quantiles of a set of numbers in bounded memory: counts in bins whose edges grow by a constant factor, so that the
 * answer is within 1 % of the exact one (DDSketch, Masson et al., VLDB 2019). The same numbers give the same sketch in
 * any order as long as no bins had to be joined.
 */
export class QuantileSketch {
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();
  #zero = 0;
  #count = 0;

  add(value: number): void {
    this.#count++;
    const magnitude = Math.abs(value);
    if (magnitude < LEAST) {
      this.#zero++;
      return;
    }
    const bins = value > 0 ? this.#positive : this.#negative;
    const bin = Math.ceil(Math.log(magnitude) / LOG_GAMMA);
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
    if (bins.size > MAX_BINS + SLACK) joinSmallest(bins);
  }

  /** Value at quantile `q` (0 to 1, the lower of two); NaN when empty. */
  quantile(q: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.floor(q * (this.#count - 1));
    let seen = 0;
    for (const [bin, count] of [...this.#negative].sort((a, b) => b[0] - a[0])) {
      seen += count;
      if (seen > rank) return -middleOf(bin);
    }
    seen += this.#zero;
    if (seen > rank) return 0;
    const positive = [...this.#positive].sort((a, b) => a[0] - b[0]);
    for (const [bin, count] of positive) {
      seen += count;
      if (seen > rank) return middleOf(bin);
    }
    return middleOf(positive.at(-1)![0]);
  }

  get byteLength(): number {
    return 16 * (this.#positive.size + this.#negative.size) + 32;
  }

  save(out: StateWriter): void {
    out.f64(this.#count);
    out.f64(this.#zero);
    for (const bins of [this.#positive, this.#negative]) {
      out.u32(bins.size);
      for (const [bin, count] of bins) {
        out.f64(bin);
        out.f64(count);
      }
    }
  }

  static load(input: StateReader): QuantileSketch {
    const sketch = new QuantileSketch();
    sketch.#count = input.f64();
    sketch.#zero = input.f64();
    for (const bins of [sketch.#positive, sketch.#negative]) {
      for (let left = input.u32(); left > 0; left--) bins.set(input.f64(), input.f64());
    }
    return sketch;
  }
}

/** The value of a bin that is at most the relative error away from all values in it. */
const middleOf = (bin: number): number => (2 * GAMMA ** bin) / (GAMMA + 1);

function joinSmallest(bins: Map<number, number>): void {
  const sorted = [...bins.keys()].sort((a, b) => a - b);
  const kept = sorted[SLACK]!;
  let joined = bins.get(kept)!;
  for (const bin of sorted.slice(0, SLACK)) {
    joined += bins.get(bin)!;
    bins.delete(bin);
  }
  bins.set(kept, joined);
}

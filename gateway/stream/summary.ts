import type { StateReader, StateWriter } from './binary.ts';
import { QuantileSketch } from './sketch.ts';

/** Statistics of one field over one window. */
export class Summary {
  count = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  first = Number.NaN;
  last = Number.NaN;
  readonly sketch: QuantileSketch | undefined;
  #sum = 0;
  /** What rounding took from `#sum` (Neumaier). */
  #lost = 0;
  /** Running mean and sum of squared distances from it (Welford). */
  #mean = 0;
  #squares = 0;
  #firstTime = Number.POSITIVE_INFINITY;
  #lastTime = Number.NEGATIVE_INFINITY;

  constructor(sketch: QuantileSketch | undefined) {
    this.sketch = sketch;
  }

  add(value: number, time: number): void {
    this.count++;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
    const away = value - this.#mean;
    this.#mean += away / this.count;
    this.#squares += away * (value - this.#mean);
    if (time < this.#firstTime) {
      this.#firstTime = time;
      this.first = value;
    }
    if (time >= this.#lastTime) {
      this.#lastTime = time;
      this.last = value;
    }
    this.sketch?.add(value);
  }

  get sum(): number {
    return this.#sum + this.#lost;
  }

  get mean(): number {
    return this.sum / this.count;
  }

  /** Sample standard deviation (divided by n − 1); NaN for a single value. */
  get stddev(): number {
    return this.count < 2 ? Number.NaN : Math.sqrt(this.#squares / (this.count - 1));
  }

  /** Within 1 % of the exact value; NaN without a sketch. @param q 0 to 1 */
  quantile(q: number): number {
    const value = this.sketch?.quantile(q) ?? Number.NaN;
    return Math.min(this.max, Math.max(this.min, value));
  }

  get byteLength(): number {
    return 96 + (this.sketch?.byteLength ?? 0);
  }

  save(out: StateWriter): void {
    const { count, min, max, first, last } = this;
    const sums = [this.#sum, this.#lost, this.#mean, this.#squares, this.#firstTime, this.#lastTime];
    for (const value of [count, min, max, first, last, ...sums]) out.f64(value);
    out.u8(this.sketch ? 1 : 0);
    this.sketch?.save(out);
  }

  static load(input: StateReader): Summary {
    const values = Array.from({ length: 11 }, () => input.f64());
    const summary = new Summary(input.u8() === 1 ? QuantileSketch.load(input) : undefined);
    [summary.count, summary.min, summary.max, summary.first, summary.last] = values as [
      number,
      number,
      number,
      number,
      number,
    ];
    summary.#sum = values[5]!;
    summary.#lost = values[6]!;
    summary.#mean = values[7]!;
    summary.#squares = values[8]!;
    summary.#firstTime = values[9]!;
    summary.#lastTime = values[10]!;
    return summary;
  }
}

/** A statistic by the name it has in the configuration: `mean`, `p95`. NaN when it is not defined. */
export function statistic(summary: Summary, name: string): number {
  switch (name) {
    case 'count':
    case 'min':
    case 'max':
    case 'mean':
    case 'stddev':
    case 'sum':
    case 'first':
    case 'last':
      return summary[name];
    default:
      return summary.quantile(Number(name.slice(1)) / 100);
  }
}

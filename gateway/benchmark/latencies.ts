/** Exact percentiles of a bounded number of latencies. */

/** Most latencies that are kept: 8 MB. What comes after them is counted and not kept. */
const MOST = 1_000_000;

export interface LatencySummary {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Milliseconds at 0 %, 5 %, … 95 %, 99 % and 100 % of the queries, for drawing. */
  readonly curve: readonly number[];
}

/** Shares of {@link LatencySummary.curve}. */
export const CURVE: readonly number[] = [...Array.from({ length: 20 }, (_, i) => i / 20), 0.99, 1];

export class Latencies {
  #values = new Float64Array(1024);
  count = 0;

  /** @param ms milliseconds */
  add(ms: number): void {
    if (this.count === MOST) return;
    if (this.count === this.#values.length) {
      const grown = new Float64Array(Math.min(MOST, this.count * 2));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.count++] = ms;
  }

  summary(): LatencySummary {
    const sorted = this.#values.slice(0, this.count).sort();
    const sum = sorted.reduce((total, value) => total + value, 0);
    const at = (share: number): number => rounded(percentile(sorted, share));
    return {
      mean: rounded(this.count === 0 ? 0 : sum / this.count),
      p50: at(0.5),
      p90: at(0.9),
      p99: at(0.99),
      max: at(1),
      curve: CURVE.map(at),
    };
  }
}

/**
 * The nearest-rank percentile of sorted values: the smallest value that at least `share` of them do not exceed. 0 when
 * there are none.
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1]!;
}

/** Three digits after the point: nobody measures nanoseconds here. */
export const rounded = (value: number): number => Number(value.toFixed(3));

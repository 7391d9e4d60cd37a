/** Eight buckets per doubling: a quantile is at most 9 % too large. */
const PER_DOUBLING = 8;
/** 1 µs to about 12 days. */
const BUCKETS = 40 * PER_DOUBLING + 1;
const LEAST_MS = 1e-3;

const edge = (bucket: number): number => LEAST_MS * 2 ** (bucket / PER_DOUBLING);

/** Counts of durations in logarithmic buckets; fixed size. */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;

  /** @param ms duration; negative ones (the wall clock was set back) count as 0 */
  record(ms: number): void {
    const at = ms <= LEAST_MS ? 0 : Math.ceil(Math.log2(ms / LEAST_MS) * PER_DOUBLING);
    const bucket = at < BUCKETS ? at : BUCKETS - 1;
    this.#buckets[bucket] = this.#buckets[bucket]! + 1;
    this.#count++;
    this.#sum += Math.max(0, ms);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Buckets between the first and the last that hold something: upper edges in ms, and counts. */
  buckets(): { readonly bounds: number[]; readonly counts: number[] } {
    const bounds: number[] = [];
    const counts: number[] = [];
    const first = this.#buckets.findIndex((count) => count > 0);
    const last = this.#buckets.findLastIndex((count) => count > 0);
    for (let i = Math.max(0, first); i <= last; i++) {
      bounds.push(edge(i));
      counts.push(this.#buckets[i]!);
    }
    return { bounds, counts };
  }

  /** Upper edge in ms of the bucket that holds quantile `q`; 0 when nothing was recorded. */
  quantile(q: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#buckets[i]!;
      if (seen >= rank) return edge(i);
    }
    return edge(BUCKETS - 1);
  }
}

/** Entries kept: only readings that wait in a join can be older than the last one. */
const MAX_ENTRIES = 16;

/**
 * Times in which the gateway itself was away, so that they are not taken for silence of the devices: silence is
 * measured on a clock that stands still meanwhile.
 */
export class Downtimes {
  #entries: { readonly since: number; readonly total: number }[] = [];

  /** @param since when the gateway was back (ms since the epoch) @param ms how long it had been away */
  add(since: number, ms: number): void {
    this.#entries.push({ since, total: this.total + ms });
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
  }

  /** All of it, in ms. */
  get total(): number {
    return this.#entries.at(-1)?.total ?? 0;
  }

  /** What had passed of it when a reading arrived at `arrival`. */
  before(arrival: number): number {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const { since, total } = this.#entries[i]!;
      if (since <= arrival) return total;
    }
    return 0;
  }

  /** For a snapshot: pairs of {@link add}'s `since` and the total by then. */
  save(): number[] {
    return this.#entries.flatMap(({ since, total }) => [since, total]);
  }

  restore(pairs: readonly number[]): void {
    this.#entries = [];
    for (let i = 0; i + 1 < pairs.length; i += 2)
      this.#entries.push({ since: pairs[i]!, total: pairs[i + 1]! });
  }
}

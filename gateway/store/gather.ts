/** Small groups that may follow each other at once before the rhythm begins: what one message on a quiet gateway causes. */
const BURST = 6;
/** A group with this much is not kept back: to wait would save little. */
const ENOUGH_RECORDS = 256;
const ENOUGH_BYTES = 64 * 1024;

/**
 * When a small group goes to the disk. Every commit writes whole pages of its own, so at a low steady rate they would
 * wear flash out: there groups follow each other in a rhythm and each gathers what came meanwhile. While commits are
 * rare they go at once, and under load groups are never small.
 */
export class Gather {
  readonly #intervalMs: number;
  #credit = BURST;
  #asOf = Number.NEGATIVE_INFINITY;

  /** @param intervalMs of the rhythm; 0: nothing is kept back */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Milliseconds from `now` (monotonic) for which a group of this size should gather on; 0: it may go. */
  wait(now: number, records: number, bytes: number): number {
    if (this.#intervalMs === 0 || records >= ENOUGH_RECORDS || bytes >= ENOUGH_BYTES) return 0;
    this.#refill(now);
    return this.#credit >= 1 ? 0 : (1 - this.#credit) * this.#intervalMs;
  }

  /** A group goes now. */
  spend(now: number): void {
    this.#refill(now);
    this.#credit = Math.max(0, this.#credit - 1);
  }

  #refill(now: number): void {
    if (this.#intervalMs === 0) return;
    const passed = now - this.#asOf;
    this.#credit = Math.min(BURST, this.#credit + passed / this.#intervalMs);
    this.#asOf = now;
  }
}

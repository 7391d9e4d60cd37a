/** Events per second, averaged with exponentially falling weight of the past. */
export class Rate {
  #perSecond = 0;
  readonly #start: number;
  #at: number;
  readonly #halfLifeMs: number;

  /** @param now monotonic ms */
  constructor(now: number, halfLifeMs = 20_000) {
    this.#start = now;
    this.#at = now;
    this.#halfLifeMs = halfLifeMs;
  }

  add(events: number, now: number): void {
    this.#perSecond = this.#weighted(now) + (events * 1000 * Math.LN2) / this.#halfLifeMs;
    this.#at = now;
  }

  /** Corrected for the time before the start, of which nothing is known. */
  value(now: number): number {
    const age = Math.max(1000, now - this.#start);
    return this.#weighted(now) / (1 - 0.5 ** (age / this.#halfLifeMs));
  }

  #weighted(now: number): number {
    return this.#perSecond * 0.5 ** (Math.max(0, now - this.#at) / this.#halfLifeMs);
  }
}

/** Events per second, averaged with exponentially falling weight of the past. */
export class Rate {
  #perSecond = 0;
  #at: number;
  readonly #halfLifeMs: number;

  /** @param now monotonic ms */
  constructor(now: number, halfLifeMs = 20_000) {
    this.#at = now;
    this.#halfLifeMs = halfLifeMs;
  }

  add(events: number, now: number): void {
    this.#perSecond = this.value(now) + (events * 1000 * Math.LN2) / this.#halfLifeMs;
    this.#at = now;
  }

  value(now: number): number {
    return this.#perSecond * 0.5 ** (Math.max(0, now - this.#at) / this.#halfLifeMs);
  }
}

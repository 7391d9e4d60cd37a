/** How long to wait between tries, ms. */
export interface Schedule {
  /** Ceiling of the first pause; each further one is twice as high, up to `last`. */
  readonly first: number;
  readonly last: number;
  /**
   * Which part of a pause is left to chance: 0 for what is ours alone, up to 1 ("full jitter") for what many gateways
   * lose at once and must not come back to in step.
   */
  readonly jitter: number;
}

/** Pauses before further tries of something that fails: exponential, with a ceiling. Pure but for `random`. */
export class Backoff {
  readonly #schedule: Schedule;
  readonly #random: () => number;
  #ceiling: number;

  /** @param random uniform in [0, 1) */
  constructor(schedule: Schedule, random: () => number = Math.random) {
    this.#schedule = schedule;
    this.#random = random;
    this.#ceiling = schedule.first;
  }

  /** The next pause, whole milliseconds. */
  next(): number {
    const { last, jitter } = this.#schedule;
    const ceiling = this.#ceiling;
    this.#ceiling = Math.min(ceiling * 2, last);
    return Math.round(ceiling * (1 - jitter + jitter * this.#random()));
  }

  /** It worked: the next failure begins anew. */
  reset(): void {
    this.#ceiling = this.#schedule.first;
  }
}

/** For a link that many gateways share, and lose together. */
export const LINK: Schedule = { first: 250, last: 30_000, jitter: 1 };
/** For something on this machine. */
export const LOCAL: Schedule = { first: 100, last: 5_000, jitter: 0 };

const FIRST_MS = 500;
const LAST_MS = 30_000;

/**
 * How long to wait before the next attempt, ms: doubles up to 30 s, each drawn evenly from its upper half so that
 * gateways that lost one broker together do not come back together.
 */
export class BackOff {
  readonly #random: () => number;
  #attempts = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): number {
    const ceiling = Math.min(LAST_MS, FIRST_MS * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    return Math.round(ceiling * (0.5 + 0.5 * this.#random()));
  }

  reset(): void {
    this.#attempts = 0;
  }
}

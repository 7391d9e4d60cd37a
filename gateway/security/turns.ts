/** Lets a few tasks run at once and a few more wait; all others are turned away at once. */
export class Turns {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number, mostWaiting: number) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  /** What `task` answers, or `turned-away` when too many wait already. */
  async take<T>(task: () => Promise<T>): Promise<T | 'turned-away'> {
    if (this.#running < this.#most) this.#running++;
    else if (this.#waiting.length >= this.#mostWaiting) return 'turned-away';
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

import type { Clock } from '../ports/clock.ts';

const MAINTENANCE_MS = 10_000;
/** Something that failed is tried again after 1 s, then 2, 4, at last every 5 s. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 5000;

/** Calls `attempt` until it answers true, with growing pauses; idle until asked. */
export class Retry {
  readonly #clock: Clock;
  readonly #attempt: () => Promise<boolean>;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, attempt: () => Promise<boolean>) {
    this.#clock = clock;
    this.#attempt = attempt;
  }

  /** Does nothing when it is already at it. */
  begin(): void {
    if (this.#cancel === undefined) this.#after(FIRST_RETRY_MS);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #after(delay: number): void {
    const cancel = this.#clock.after(delay, async () => {
      const done = await this.#attempt();
      if (this.#cancel !== cancel) return;
      this.#cancel = undefined;
      if (!done) this.#after(Math.min(2 * delay, LAST_RETRY_MS));
    });
    this.#cancel = cancel;
  }
}

/** Retention and giving space back, every ten seconds, in short steps so that commits come in between. */
export class Maintenance {
  readonly #clock: Clock;
  readonly #step: () => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #cancel: (() => void) | undefined;
  #due = false;
  #running = false;

  /** @param step does a little and answers whether there is more to do */
  constructor(clock: Clock, step: () => Promise<boolean>, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#step = step;
    this.#onError = onError;
  }

  start(): void {
    this.#cancel = this.#clock.after(MAINTENANCE_MS, () => {
      this.start();
      this.#run().catch(this.#onError);
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#due = false;
  }

  async #run(): Promise<void> {
    this.#due = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#due) {
        this.#due = false;
        if ((await this.#step()) && this.#cancel !== undefined) this.#due = true;
      }
    } finally {
      this.#running = false;
    }
  }
}

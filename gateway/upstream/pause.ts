import type { Clock } from '../ports/clock.ts';

/** Something to wait on that others can end early; an end that comes before the wait is kept for it. */
export class Pause {
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the wait, or the next one. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Forgets an early end: what happens from now on counts. */
  reset(): void {
    this.#ended = false;
  }

  /** Resolves after `ms` (never, when it is infinite), on {@link end}, or when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const cancel = Number.isFinite(ms) ? this.#clock.after(ms, () => wake()) : undefined;
      const wake = (): void => {
        cancel?.();
        signal.removeEventListener('abort', wake);
        this.#wake = undefined;
        this.#ended = false;
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      if (this.#ended || signal.aborted) wake();
    });
  }
}

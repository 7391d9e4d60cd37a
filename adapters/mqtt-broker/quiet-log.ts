import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';

const LINES = 10;
const PERIOD_MS = 10_000;

/** Warnings that clients can cause at will: so many in a period, then only how many there were. */
export class QuietLog {
  readonly #log: Log;
  readonly #clock: Clock;
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  warn(fields: object, message: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#since > PERIOD_MS) {
      if (this.#lines > LINES)
        this.#log.warn({ more: this.#lines - LINES }, 'mqtt: more lines like the last');
      this.#since = now;
      this.#lines = 0;
    }
    if (++this.#lines <= LINES) this.#log.warn(fields, message);
  }
}

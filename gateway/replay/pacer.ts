import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';

export interface PacerOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Rows per second. */
  readonly rate: number | undefined;
  /** Factor on the recorded time. */
  readonly speed: number | undefined;
}

/** Holds each row until it is due; without rate and speed every row is due at once. A late row delays no other. */
export class Pacer {
  readonly #options: PacerOptions;
  #start: number | undefined;
  #firstTime = 0;
  #rows = 0;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  /** @throws GatewayError REPLAY_STOPPED when the signal fires first */
  async due(time: number): Promise<void> {
    const { clock, signal, rate, speed } = this.#options;
    if (rate === undefined && speed === undefined) return;
    const now = clock.monotonic();
    if (this.#start === undefined) {
      this.#start = now;
      this.#firstTime = time;
    }
    const offset = rate !== undefined ? (this.#rows * 1000) / rate : (time - this.#firstTime) / (speed ?? 1);
    this.#rows += 1;
    const wait = this.#start + offset - now;
    if (wait <= 0) return;
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(wait, () => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
      const abort = () => {
        cancel();
        reject(new GatewayError('REPLAY_STOPPED', 'the replay was stopped before its end'));
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
  }
}

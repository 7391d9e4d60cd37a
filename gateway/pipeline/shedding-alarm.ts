import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';

const KIND = 'pipeline-shedding';
/** The alarm is over when nothing was shed for this long. */
const QUIET_MS = 30_000;

/** One alarm for all pipelines that drop windows because their model does not keep up. */
export class SheddingAlarm {
  readonly #alarms: Alarms;
  readonly #clock: Clock;
  readonly #shed = new Map<string, number>();
  #last = 0;
  #cancel: (() => void) | undefined;

  constructor(alarms: Alarms, clock: Clock) {
    this.#alarms = alarms;
    this.#clock = clock;
  }

  note(pipeline: string, count: number): void {
    this.#shed.set(pipeline, (this.#shed.get(pipeline) ?? 0) + count);
    this.#last = this.#clock.monotonic();
    if (this.#cancel !== undefined) return;
    this.#raise();
    this.#cancel = this.#clock.after(QUIET_MS, () => this.#look());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const quiet = this.#clock.monotonic() - this.#last;
    if (quiet < QUIET_MS) {
      this.#raise();
      this.#cancel = this.#clock.after(QUIET_MS - quiet, () => this.#look());
      return;
    }
    this.#cancel = undefined;
    this.#shed.clear();
    this.#alarms.clear(KIND);
  }

  #raise(): void {
    const detail = Object.fromEntries(this.#shed);
    this.#alarms.raise({
      kind: KIND,
      severity: 'warning',
      message: `windows are dropped because the model does not keep up: ${[...this.#shed.keys()].join(', ')}`,
      fix: 'Widen `window.every`, use a smaller model, or set `queue.whenFull: wait` to keep every window.',
      detail,
    });
  }
}

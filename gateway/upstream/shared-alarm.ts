import type { Alarms } from '../ports/alarms.ts';

/** One kind of alarm that several sinks can have at once: it is over when none has it. */
export class SharedAlarm {
  readonly #alarms: Alarms;
  readonly #kind: string;
  readonly #fix: string;
  readonly #sinks = new Map<string, string>();

  constructor(alarms: Alarms, kind: string, fix: string) {
    this.#alarms = alarms;
    this.#kind = kind;
    this.#fix = fix;
  }

  /** @param message what is wrong with the sink, without its name */
  raise(sink: string, message: string): void {
    if (this.#sinks.get(sink) === message) return;
    this.#sinks.set(sink, message);
    this.#tell();
  }

  clear(sink: string): void {
    if (!this.#sinks.delete(sink)) return;
    if (this.#sinks.size === 0) this.#alarms.clear(this.#kind);
    else this.#tell();
  }

  #tell(): void {
    const sinks = [...this.#sinks];
    this.#alarms.raise({
      kind: this.#kind,
      severity: 'warning',
      message: `upstream: ${sinks.map(([sink, message]) => `${sink} ${message}`).join('; ')}`,
      fix: this.#fix,
      detail: { sinks: sinks.map(([sink]) => sink) },
    });
  }
}

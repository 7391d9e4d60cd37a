import type { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Model } from './model.ts';

/** How long a crash stays an alarm. */
const ALARM_MS = 60_000;

/** What is told of a model host. All but the one that serves have alarms of their own, none of them critical. */
export class HostAlarms {
  readonly #alarms: Alarms;
  readonly #clock: Clock;
  readonly #prefix: string;
  #cancel: () => void = () => undefined;

  /** @param name of the host, before the kinds of its alarms; undefined for the one that serves */
  constructor(alarms: Alarms, clock: Clock, name: string | undefined) {
    this.#alarms = alarms;
    this.#clock = clock;
    this.#prefix = name === undefined ? '' : `${name}-`;
  }

  stop(): void {
    this.#cancel();
  }

  crashed(message: string, restarts: number): void {
    const kind = `${this.#prefix}model-host-crashed`;
    this.#alarms.raise({
      kind,
      severity: 'warning',
      message,
      fix: 'It restarts by itself. If it keeps happening, remove the model that the log names.',
      detail: { restarts },
    });
    this.#cancel();
    this.#cancel = this.#clock.after(ALARM_MS, () => this.#alarms.clear(kind));
  }

  refused(models: ReadonlyMap<Model, GatewayError>): void {
    const kind = `${this.#prefix}model-refused`;
    if (models.size === 0) {
      this.#alarms.clear(kind);
      return;
    }
    const reasons = [...models].map(([model, error]) => `${model.key}: ${error.message}`);
    this.#alarms.raise({
      kind,
      severity: this.#prefix === '' ? 'critical' : 'warning',
      message: `refused ${reasons.join('; ')}`,
      fix: 'Mend or replace the bundle; `aimx-gateway models verify` checks it.',
      detail: { models: [...models.keys()].map((model) => model.key) },
    });
  }

  /** A model that a pipeline needs had to go. */
  unpinned(victim: Model, model: Model): void {
    this.#alarms.raise({
      kind: 'model-memory',
      severity: 'warning',
      message: `${victim.key}, which a pipeline needs, gave way to ${model.key}: they do not fit in models.maxBytes together`,
      fix: 'Raise models.maxBytes, use smaller models, or ask for fewer of them.',
      detail: { models: [victim.key, model.key] },
    });
  }

  /** A server of models does not answer. */
  unreachable(message: string): void {
    this.#alarms.raise({
      kind: `${this.#prefix}unreachable`,
      severity: 'warning',
      message,
      fix: 'Check that the server runs and that the network reaches it. Pipelines wait meanwhile; it is tried again by itself.',
    });
  }

  reachable(): void {
    this.#alarms.clear(`${this.#prefix}unreachable`);
  }

  tooLarge(rss: number, most: number): void {
    this.#alarms.raise({
      kind: `${this.#prefix}model-host-memory`,
      severity: 'warning',
      message: `the model host takes ${rss} bytes, more than the ${most} of models.maxBytes`,
      fix: 'Use smaller models or batches, or raise models.maxBytes.',
      detail: { rss },
    });
  }

  fits(): void {
    this.#alarms.clear(`${this.#prefix}model-host-memory`);
  }
}

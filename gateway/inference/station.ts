import { asGatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Footprints } from './footprints.ts';
import type { Model } from './model.ts';
import type { Trust } from './signing/trust.ts';
import { Supervisor } from './supervisor.ts';
import { failUnit, type Work } from './work.ts';

export interface StationOptions {
  /** Names its alarms; undefined for the one that serves. */
  readonly name: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly trust: Trust;
  readonly footprints: Footprints;
  readonly maxWaiting: number;
  readonly rents: ReadonlyMap<string, number> | undefined;
  readonly maxHostRss: number;
  readonly maxHostBytes: number;
}

/** How long what is under way may take when it stops. */
const STOP_MS = 3000;

/**
 * A model host with what waits for it. What serves, what is on trial and each server of models have one of their own, so
 * that none harms or holds up the others.
 */
export class Station {
  readonly supervisor: Supervisor;
  readonly #dispatcher: Dispatcher;
  readonly #clock: Clock;

  constructor(options: StationOptions) {
    const { clock, log, maxWaiting, rents } = options;
    this.#clock = clock;
    this.#dispatcher = new Dispatcher({
      clock,
      maxWaiting,
      rents,
      onPoison: (model) =>
        log.error({ model: model.key }, `inference: poison input for ${model.key}, not run again`),
      onServer: (problem) => this.supervisor.server(problem),
    });
    this.supervisor = new Supervisor({ ...options, dispatcher: this.#dispatcher });
  }

  /** Loading may take a while; what waits is answered when it serves, when it is refused, or at its deadline. */
  submit(work: Work): void {
    const { model } = work;
    const { supervisor } = this;
    const refused = supervisor.refusedBecause(model);
    if (refused) {
      const code = refused.code === 'MODEL_MISSING' ? refused.code : 'MODEL_REFUSED';
      for (let unit = 0; unit < work.units; unit++) failUnit(work, unit, code, refused.message);
      return;
    }
    this.#dispatcher.submit(work);
    if (!supervisor.use(model)) this.#load(model);
  }

  #load(model: Model): void {
    this.supervisor.ensure(model).catch((error: unknown) => {
      const { code, message } = asGatewayError(error);
      this.#dispatcher.fail(code, message, model);
    });
  }

  /** Answers what waits for a model, which was taken back, with MODEL_REFUSED. */
  abandon(model: Model): void {
    this.#dispatcher.fail('MODEL_REFUSED', `${model.key} was taken back`, model);
  }

  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  get inFlight(): number {
    return this.#dispatcher.inFlight;
  }

  /** Answers what waits with STOPPING after a short time to finish, and ends the host. */
  async stop(): Promise<void> {
    const late = new Promise<void>((resolve) => void this.#clock.after(STOP_MS, resolve));
    await Promise.race([this.#dispatcher.idle(), late]);
    this.#dispatcher.stop('STOPPING', 'the gateway is stopping');
    await this.supervisor.stop();
  }
}

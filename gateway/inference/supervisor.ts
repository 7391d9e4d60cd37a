import { asGatewayError, GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Generation, makeGeneration } from './generation.ts';
import type { HostExit, HostProcess } from './host-process.ts';
import type { Model } from './model.ts';

const HEARTBEAT_MS = 2000;
/** The first restarts of a minute are at once; from then on each waits twice as long, at most this. */
const MAX_BACKOFF_MS = 1500;
const FREE_RESTARTS = 16;
const RESTART_WINDOW_MS = 60_000;
/** How long a crash stays an alarm. */
const ALARM_MS = 60_000;
const REPLACE_AT_MOST_EVERY_MS = 60_000;

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly dispatcher: Dispatcher;
  /** Resident bytes beyond which a host is replaced by a fresh one. */
  readonly maxHostRss: number;
  /** Bytes beyond which the host cannot allocate. */
  readonly maxHostBytes: number;
}

/**
 * The life of the model host. There is at most one that serves; any change (a crash, another set of models, too much
 * memory) makes a new generation beside it, which takes over between batches once its models are loaded and checked.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #models = new Set<Model>();
  readonly #refused = new Map<Model, GatewayError>();
  readonly #hosts = new Set<HostProcess>();
  #abort = new AbortController();
  #current: Generation | null = null;
  #making: Promise<void> | null = null;
  #stale = false;
  #restarts = 0;
  readonly #crashes: number[] = [];
  #rss = 0;
  #replacedAt = Number.NEGATIVE_INFINITY;
  #cancelHeartbeat: () => void = () => undefined;
  #cancelAlarm: () => void = () => undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#abort = new AbortController();
    this.#heartbeat();
  }

  /** Ends all hosts. What is in them is lost: drain the dispatcher first. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancelHeartbeat();
    this.#cancelAlarm();
    await this.#making;
    for (const host of this.#hosts) host.close();
    await Promise.all([...this.#hosts].map((host) => host.ended));
    this.#current = null;
  }

  /** Makes sure that a model is loaded; resolves when it serves, rejects with MODEL_REFUSED when it must not. */
  async ensure(model: Model): Promise<void> {
    this.#models.add(model);
    while (!this.serves(model)) {
      const reason = this.#refused.get(model);
      if (reason) throw refusal(model, reason);
      if (this.#abort.signal.aborted) throw new GatewayError('STOPPING', 'the gateway is stopping');
      await this.#renew();
    }
  }

  serves(model: Model): boolean {
    return this.#current?.serving.has(model) ?? false;
  }

  /** Why a model may not serve; undefined when nothing is known against it. */
  refusedBecause(model: Model): GatewayError | undefined {
    return this.#refused.get(model);
  }

  /** Starts a fresh host with the same models, which takes over between batches; the old one then ends. */
  replaceHost(): Promise<void> {
    this.#stale = true;
    return this.#renew();
  }

  stats(): { pid: number | undefined; rss: number; restarts: number; serving: string[]; refused: string[] } {
    return {
      pid: this.#current?.host.pid,
      rss: this.#current ? this.#rss : 0,
      restarts: this.#restarts,
      serving: [...(this.#current?.serving ?? [])].map((model) => model.key),
      refused: [...this.#refused.keys()].map((model) => model.key),
    };
  }

  /** One generation is made at a time; what changed meanwhile is in the next. */
  #renew(): Promise<void> {
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #make(): Promise<void> {
    const { signal } = this.#abort;
    let failures = 0;
    // Models that are asked for in one go load in one host.
    await null;
    while (!signal.aborted && this.#outdated()) {
      this.#stale = false;
      try {
        const wanted = [...this.#models].filter((model) => !this.#refused.has(model));
        const generation = await makeGeneration({
          ...this.#options,
          models: wanted,
          maxBytes: this.#options.maxHostBytes,
          signal,
          onExit: (host, exit) => this.#onExit(host, exit),
          onStart: (host) => this.#hosts.add(host),
        });
        this.#adopt(generation);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#stale = true;
        const wait = Math.min(MAX_BACKOFF_MS, 100 * 2 ** failures++);
        this.#alarmCrash(`the model host does not start: ${asGatewayError(error).message}`);
        this.#options.log.error(
          { error: asGatewayError(error) },
          `model host: not started, again in ${wait} ms`,
        );
        await this.#pause(wait);
      }
      await this.#pause(this.#backoff());
    }
  }

  #outdated(): boolean {
    if (this.#stale) return true;
    for (const model of this.#models) {
      if (!this.#refused.has(model) && !this.#current?.serving.has(model)) return true;
    }
    return false;
  }

  #adopt(generation: Generation): void {
    const { dispatcher, log } = this.#options;
    for (const [model, reason] of generation.refused) {
      this.#refused.set(model, reason);
      log.error({ model: model.key, error: reason }, `inference: refusing ${model.key}, others go on`);
      dispatcher.fail('MODEL_REFUSED', `${model.key}: ${reason.message}`, model);
    }
    this.#alarmRefused();
    // It ended between its last check and now: its exit has been seen, so the next round makes another.
    if (!generation.host.alive) {
      this.#stale = true;
      return;
    }
    const old = this.#current;
    this.#current = generation;
    const names = [...generation.serving].map((model) => model.key).join(', ') || 'nothing yet';
    log.info({ pid: generation.host.pid }, `model host: serving ${names}`);
    void dispatcher.attach(generation.host, generation.serving).then(() => old?.host.close());
  }

  #onExit(host: HostProcess, exit: HostExit): void {
    const { dispatcher, log, clock } = this.#options;
    this.#hosts.delete(host);
    const serving = this.#current?.host === host;
    if (serving) this.#current = null;
    dispatcher.lost(host, exit.kind);
    if (exit.kind === 'closed' || this.#abort.signal.aborted) return;
    this.#restarts++;
    this.#crashes.push(clock.monotonic());
    if (this.#crashes.length > 100) this.#crashes.shift();
    log.error({ pid: host.pid, kind: exit.kind, detail: exit.detail }, 'model host: ended, starting another');
    this.#alarmCrash(
      `the model host ${exit.kind === 'hung' ? 'hung and was ended' : `ended: ${exit.detail}`}`,
    );
    if (!serving) return;
    this.#stale = true;
    void this.#renew();
  }

  /** Nothing for the first crashes of a minute, so that a poison input is found quickly. */
  #backoff(): number {
    const since = this.#options.clock.monotonic() - RESTART_WINDOW_MS;
    const recent = this.#crashes.filter((at) => at > since).length - FREE_RESTARTS;
    return recent <= 0 ? 0 : Math.min(MAX_BACKOFF_MS, 100 * 2 ** recent);
  }

  #pause(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const { signal } = this.#abort;
      const cancel = this.#options.clock.after(ms, done);
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  #heartbeat(): void {
    this.#cancelHeartbeat = this.#options.clock.after(HEARTBEAT_MS, () => {
      this.#heartbeat();
      const host = this.#current?.host;
      if (!host) return;
      host.control<{ rss: number }>({ op: 'stats' }).then(
        ({ rss }) => this.#measured(host, rss),
        // It ended; its exit is dealt with where exits are.
        (error: unknown) => this.#options.log.debug({ error }, 'model host: no heartbeat'),
      );
    });
  }

  #measured(host: HostProcess, rss: number): void {
    const { clock, log, alarms, maxHostRss } = this.#options;
    if (host !== this.#current?.host) return;
    this.#rss = rss;
    if (rss <= maxHostRss) {
      alarms.clear('model-host-memory');
      return;
    }
    alarms.raise({
      kind: 'model-host-memory',
      severity: 'warning',
      message: `the model host takes more than ${maxHostRss} bytes`,
      fix: 'Use smaller models or batches, or raise the limit.',
      detail: { rss },
    });
    if (clock.monotonic() - this.#replacedAt < REPLACE_AT_MOST_EVERY_MS) return;
    this.#replacedAt = clock.monotonic();
    log.warn({ rss, maxHostRss }, 'model host: takes too much memory, replacing it');
    void this.replaceHost();
  }

  #alarmCrash(message: string): void {
    const { alarms, clock } = this.#options;
    alarms.raise({
      kind: 'model-host-crashed',
      severity: 'warning',
      message,
      fix: 'It restarts by itself. If it keeps happening, remove the model that the log names.',
      detail: { restarts: this.#restarts },
    });
    this.#cancelAlarm();
    this.#cancelAlarm = clock.after(ALARM_MS, () => alarms.clear('model-host-crashed'));
  }

  #alarmRefused(): void {
    const { alarms } = this.#options;
    if (this.#refused.size === 0) {
      alarms.clear('model-refused');
      return;
    }
    const reasons = [...this.#refused].map(([model, error]) => `${model.key}: ${error.message}`);
    alarms.raise({
      kind: 'model-refused',
      severity: 'critical',
      message: `refused ${reasons.join('; ')}`,
      fix: 'Mend or replace the bundle; `aimx-gateway models verify` checks it.',
      detail: { models: [...this.#refused.keys()].map((model) => model.key) },
    });
  }
}

function refusal(model: Model, reason: GatewayError): GatewayError {
  return new GatewayError('MODEL_REFUSED', `${model.key}: ${reason.message}`, {
    cause: reason,
    fix: reason.fix,
  });
}

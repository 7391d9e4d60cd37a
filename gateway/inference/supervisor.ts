import { asGatewayError, GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Footprints } from './footprints.ts';
import { type Generation, type GenerationOptions, makeGeneration, rssOf } from './generation.ts';
import { HostAlarms } from './host-alarms.ts';
import type { HostExit, HostProcess } from './host-process.ts';
import type { Model } from './model.ts';
import { Residency } from './residency.ts';
import type { Trust } from './signing/trust.ts';
import { isSparing } from './spawn-host.ts';
import { Tenants } from './tenants.ts';

const HEARTBEAT_MS = 2000;
/** The first restarts of a minute are at once; from then on each waits twice as long, at most this. */
const MAX_BACKOFF_MS = 1500;
const FREE_RESTARTS = 16;
const RESTART_WINDOW_MS = 60_000;
const REPLACE_AT_MOST_EVERY_MS = 60_000;

/** A model whose server could not be reached is tried again after this long. */
const SERVER_AGAIN_MS = 5000;

export interface SupervisorOptions {
  /** Names its alarms; undefined for the host that serves. */
  readonly name: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly dispatcher: Dispatcher;
  readonly trust: Trust;
  readonly footprints: Footprints;
  /** Resident bytes of a host beyond which models give way; beyond which it is replaced when that does not help. */
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
  readonly #residency: Residency;
  readonly #alarms: HostAlarms;
  readonly #tenants: Tenants;
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

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#residency = new Residency(options.maxHostRss, options.footprints);
    this.#alarms = new HostAlarms(options.alarms, options.clock, options.name);
    const { clock, log, dispatcher, trust } = options;
    this.#tenants = new Tenants({
      ...{ clock, log, dispatcher, trust, residency: this.#residency, alarms: this.#alarms },
      current: () => this.#current,
      refused: (model) => this.#refused.has(model),
      adopt: (generation) => this.#adopt(generation),
      reduce: (serving) => {
        if (this.#current) this.#current = { ...this.#current, serving };
      },
      pause: (ms) => this.#pause(ms),
    });
  }

  start(): void {
    this.#abort = new AbortController();
    this.#heartbeat();
  }

  /** Ends all hosts. What is in them is lost: drain the dispatcher first. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancelHeartbeat();
    this.#alarms.stop();
    await this.#making;
    for (const host of this.#hosts) host.close();
    await Promise.all([...this.#hosts].map((host) => host.ended));
    this.#current = null;
  }

  /** Makes sure that a model is loaded; resolves when it serves, rejects with MODEL_REFUSED when it must not. */
  async ensure(model: Model): Promise<void> {
    while (!this.use(model)) {
      const reason = this.#refused.get(model);
      if (reason) throw refusal(model, reason);
      if (this.#abort.signal.aborted) throw new GatewayError('STOPPING', 'the gateway is stopping');
      this.#residency.demand(model);
      await this.#renew();
    }
  }

  /** Whether a model serves; counts as use of it. */
  use(model: Model): boolean {
    this.#residency.touch(model);
    return this.#current?.serving.has(model) ?? false;
  }

  /** A pipeline needs this model: it gives way to others only when nothing else helps. */
  pin(model: Model): void {
    this.#residency.pin(model);
  }

  /** A model that is not needed any more: it leaves with the next change, and the host with its last model. */
  release(model: Model): void {
    this.#residency.forget(model);
    const serving = this.#current?.serving;
    if (!serving?.has(model) || this.#residency.demanded.length > 0) return;
    if ([...serving].every((one) => one === model)) void this.#leave();
  }

  /** Ends the host once it has answered what it was asked. */
  async #leave(): Promise<void> {
    const host = this.#current?.host;
    this.#current = null;
    await this.#options.dispatcher.detach();
    host?.close();
  }

  /** Why a model may not serve; undefined when nothing is known against it. */
  refusedBecause(model: Model): GatewayError | undefined {
    return this.#refused.get(model);
  }

  /** Nothing is known against a model any more: it may be tried again. */
  pardon(model: Model): void {
    if (this.#refused.delete(model)) this.#alarms.refused(this.#refused);
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
      const stale = this.#stale;
      this.#stale = false;
      try {
        await this.#change(stale);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#stale = true;
        const wait = Math.min(MAX_BACKOFF_MS, 100 * 2 ** failures++);
        this.#alarms.crashed(
          `the model host does not start: ${asGatewayError(error).message}`,
          this.#restarts,
        );
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
    return this.#stale || this.#residency.demanded.some((model) => !this.#current?.serving.has(model));
  }

  /**
   * The next set of models: in a fresh host beside this one where both fit, else in place. A host that must be
   * replaced and does not fit beside the next one ends first; calls wait meanwhile.
   */
  async #change(stale: boolean): Promise<void> {
    const current = this.#current;
    const wanted = this.#residency.choose((model) => !this.#refused.has(model));
    const beside = !current || this.#residency.fitsBeside(await this.#rssOf(current), wanted);
    if (!beside && !stale) {
      if (await this.#tenants.settle(current)) return;
      // Memory that models left behind is in the way: only a fresh host has room.
      this.#stale = true;
      return;
    }
    if (!beside) await this.#leave();
    this.#adopt(
      await makeGeneration({
        ...this.#generation(),
        models: wanted,
        maxBytes: this.#options.maxHostBytes,
        maxRss: this.#options.maxHostRss,
        sparing: isSparing(this.#options.maxHostRss),
        loadSize: (model) => this.#residency.loadSize(model),
        signal: this.#abort.signal,
        onExit: (host, exit) => this.#onExit(host, exit),
        onStart: (host) => this.#hosts.add(host),
      }),
    );
  }

  #generation(): Pick<GenerationOptions, 'clock' | 'log' | 'trust' | 'measured'> {
    const { clock, log, trust } = this.#options;
    return { clock, log, trust, measured: (model, seen) => this.#residency.measured(model, seen) };
  }

  /** A host that has just ended counts as gone; that is dealt with where exits are. */
  #rssOf({ host }: Generation): Promise<number> {
    return rssOf(host).catch(() => 0);
  }

  #adopt(generation: Generation): void {
    const { dispatcher, log } = this.#options;
    for (const model of [...generation.serving, ...generation.refused.keys()]) this.#residency.settle(model);
    for (const [model, reason] of generation.refused) {
      this.#refused.set(model, reason);
      log.error({ model: model.key, error: reason }, `inference: refusing ${model.key}, others go on`);
      dispatcher.fail(codeOf(reason), `${model.key}: ${reason.message}`, model);
      if (reason.code === 'REMOTE_UNAVAILABLE') this.#tryAgain(model, reason);
    }
    this.#alarms.refused(this.#refused);
    // It ended between its last check and now: its exit has been seen, so the next round makes another.
    if (!generation.host.alive) {
      this.#stale = true;
      return;
    }
    const old = this.#current;
    this.#current = generation;
    generation.host.yieldToCore();
    const names = [...generation.serving].map((model) => model.key).join(', ') || 'nothing yet';
    log.info({ pid: generation.host.pid }, `model host: serving ${names}`);
    void dispatcher.attach(generation.host, generation.serving).then(() => {
      if (old?.host !== generation.host) old?.host.close();
    });
  }

  /** Whether the server of models answers: undefined, or what is wrong. */
  server(problem: string | undefined): void {
    if (problem === undefined) this.#alarms.reachable();
    else this.#alarms.unreachable(problem);
  }

  /** Nothing is wrong with the model itself. */
  #tryAgain(model: Model, reason: GatewayError): void {
    this.server(reason.message);
    void this.#pause(SERVER_AGAIN_MS).then(() => {
      if (this.#abort.signal.aborted || this.#refused.get(model) !== reason) return;
      this.#refused.delete(model);
      this.ensure(model).then(
        () => this.server(undefined),
        (error: unknown) =>
          this.#options.log.debug({ error }, `inference: ${model.key} waits for its server`),
      );
    });
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
    this.#alarms.crashed(
      `the model host ${exit.kind === 'hung' ? 'hung and was ended' : `ended: ${exit.detail}`}`,
      this.#restarts,
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
    const { clock, log, maxHostRss } = this.#options;
    if (host !== this.#current?.host) return;
    this.#rss = rss;
    if (rss <= maxHostRss) {
      this.#alarms.fits();
      return;
    }
    this.#alarms.tooLarge(rss, maxHostRss);
    if (clock.monotonic() - this.#replacedAt < REPLACE_AT_MOST_EVERY_MS) return;
    this.#replacedAt = clock.monotonic();
    log.warn({ rss, maxHostRss }, 'model host: takes too much memory, replacing it');
    void this.replaceHost();
  }
}

/** A model whose files are gone is missing, all else is refused. */
const codeOf = ({ code }: GatewayError): 'MODEL_MISSING' | 'MODEL_REFUSED' =>
  code === 'MODEL_MISSING' ? code : 'MODEL_REFUSED';

const refusal = (model: Model, reason: GatewayError): GatewayError =>
  new GatewayError(codeOf(reason), `${model.key}: ${reason.message}`, { cause: reason, fix: reason.fix });

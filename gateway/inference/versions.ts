import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { GatewayError } from '../errors.ts';
import { Footprints } from './footprints.ts';
import { misfit } from './life/face-check.ts';
import { LifeFile } from './life/file.ts';
import { Life, type Route } from './life/life.ts';
import { Quarantine } from './life/quarantine.ts';
import { type TrialPolicy, Trials } from './life/trials.ts';
import { Model } from './model.ts';
import { planOf } from './plan.ts';
import { scanBundles } from './registry.ts';
import type { InferenceOptions, InferenceStats, InstalledModel, ModelLife } from './service.ts';
import { Trust } from './signing/trust.ts';
import { DEFAULT_HOST_BYTES } from './spawn-host.ts';
import { Station } from './station.ts';
import type { Work } from './work.ts';

const GIB = 1024 ** 3;
const PROBATION_MS = 600_000;
/** Servers of models with a host of their own; more share that of the models here. */
const MAX_SERVERS = 8;

const DEFAULT_TRIALS: TrialPolicy = {
  shadow: {
    sample: 200,
    maxErrorRate: 0.02,
    maxDisagreement: 0.05,
    maxLatencyRatio: 5,
    tolerance: { absolute: 1e-3, relative: 1e-2 },
    maxWaiting: 1024,
    autoPromote: 0,
  },
  canary: { sample: 100, maxErrorRate: 0.02, maxDisagreement: 0.05, maxLatencyRatio: 5 },
};

/** The installed versions: what each is there for, and the host that runs it. */
export class Versions implements ModelLife {
  readonly trials: Trials;
  readonly #options: InferenceOptions;
  readonly #models = new Map<string, Model>();
  readonly #life: Life<Model>;
  readonly #serving: Station;
  readonly #trial: Station;
  /** One per server of models. */
  readonly #remote = new Map<string, Station>();
  readonly #newStation: (name: string | undefined) => Station;
  /** Shadows and canaries. */
  readonly #onTrial = new Set<Model>();
  #handles = 0;
  #scanned = false;

  constructor(options: InferenceOptions) {
    this.#options = options;
    const { clock, log, alarms, installedDir, newVersion = 'live' } = options;
    const station = {
      clock,
      log,
      alarms,
      trust: options.trust ?? new Trust('off', []),
      footprints: new Footprints(installedDir, log),
      maxWaiting: options.maxWaiting ?? 16_384,
      rents: options.rents,
      maxHostRss: options.maxHostRss ?? GIB,
      maxHostBytes: options.maxHostBytes ?? DEFAULT_HOST_BYTES,
    };
    this.#newStation = (name) => new Station({ ...station, name });
    this.#serving = this.#newStation(undefined);
    this.#trial = this.#newStation('trial');
    this.#life = new Life<Model>({
      clock,
      log,
      alarms,
      file: new LifeFile(installedDir),
      installed: this.#models,
      policy: ({ folder }) => (installedDir && dirname(folder) === installedDir ? newVersion : 'live'),
      probation: options.probation ?? PROBATION_MS,
      ready: async (model, state) => {
        const { supervisor } = this.#remoteOf(model) ?? (state === 'live' ? this.#serving : this.#trial);
        supervisor.pardon(model);
        await supervisor.ensure(model);
      },
      misfit,
      usable: (model) => this.#refused(model) === undefined,
      changed: (name) => this.#changed(name),
    });
    this.trials = new Trials({
      clock,
      log,
      alarms,
      life: this.#life,
      policy: options.trials ?? DEFAULT_TRIALS,
      quarantine: new Quarantine(installedDir, clock, log),
      submit: (work) => this.submit(work),
      abandon: (model) => {
        this.#serving.abandon(model);
        this.#trial.abandon(model);
      },
    });
  }

  /** Starts what is preloaded; a refused model is an alarm and not a reason to keep the others from serving. */
  async start(preload: readonly string[]): Promise<void> {
    this.rescan();
    this.#serving.supervisor.start();
    this.#trial.supervisor.start();
    const models = preload.map((reference) => this.route(reference).model);
    for (const model of models) this.#stationOf(model).supervisor.pin(model);
    await Promise.allSettled(
      [...models, ...this.#onTrial].map((model) => this.#stationOf(model).supervisor.ensure(model)),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stations().map((station) => station.stop()));
  }

  submit(work: Work): void {
    this.#stationOf(work.model).submit(work);
  }

  #stations(): Station[] {
    return [this.#serving, this.#trial, ...this.#remote.values()];
  }

  #stationOf(model: Model): Station {
    return this.#remoteOf(model) ?? (this.#onTrial.has(model) ? this.#trial : this.#serving);
  }

  /** A host that waits for a server holds up nobody but those who wait for it too. */
  #remoteOf({ plan }: Model): Station | undefined {
    if (!plan.remote) return undefined;
    const { host } = new URL(plan.remote.url);
    const known = this.#remote.get(host) ?? (this.#remote.size < MAX_SERVERS ? undefined : this.#serving);
    if (known) return known;
    const made = this.#newStation(`remote-${host.replace(/[^A-Za-z0-9.-]+/g, '-')}`);
    made.supervisor.start();
    this.#remote.set(host, made);
    return made;
  }

  /** The version that answers a reference: see {@link Life.route}. Throws MODEL_MISSING. */
  route(reference: string, routeKey?: string): Route<Model> {
    if (!this.#scanned) this.rescan();
    return this.#life.route(reference, routeKey);
  }

  refused(model: Model): GatewayError | undefined {
    return this.#refused(model);
  }

  #refused(model: Model): GatewayError | undefined {
    for (const { supervisor } of this.#stations()) {
      const reason = supervisor.refusedBecause(model);
      if (reason) return reason;
    }
    return undefined;
  }

  rescan(): void {
    if (!this.#scanned) this.#life.load();
    this.#scanned = true;
    const { bundles, broken } = scanBundles(this.#options.modelDirs);
    for (const { folder, error } of broken)
      this.#options.log.error({ folder, error }, 'inference: skipping a bundle that is not valid');
    const found = new Set<string>();
    for (const bundle of bundles) {
      const key = `${bundle.manifest.name}@${bundle.manifest.version}`;
      found.add(key);
      if (!this.#models.has(key))
        this.#models.set(key, new Model(bundle, planOf(bundle, this.#options.runtimes), this.#nextHandle()));
    }
    const loaded = this.#loaded();
    for (const [key, model] of this.#models) {
      // A manifest that is no longer valid is not gone: what was read of it stays.
      if (found.has(key) || loaded.has(key) || existsSync(model.bundle.folder)) continue;
      this.#models.delete(key);
      this.#forget(model);
    }
    this.#life.adopt();
  }

  /** Frames carry handles in 16 bits. */
  #nextHandle(): number {
    const taken = new Set([...this.#models.values()].map(({ handle }) => handle));
    do this.#handles = (this.#handles % 0xffff) + 1;
    while (taken.has(this.#handles));
    return this.#handles;
  }

  #forget(model: Model): void {
    for (const { supervisor } of this.#stations()) {
      supervisor.release(model);
      supervisor.pardon(model);
    }
    this.#onTrial.delete(model);
  }

  #loaded(): Set<string> {
    return new Set(this.#stations().flatMap(({ supervisor }) => supervisor.stats().serving));
  }

  #changed(name: string): void {
    for (const model of this.#models.values()) {
      const { manifest } = model.bundle;
      if (manifest.name !== name) continue;
      const state = this.#life.entry(name, manifest.version)?.state;
      const trial = state === 'shadow' || state === 'canary';
      if (trial) this.#onTrial.add(model);
      else this.#onTrial.delete(model);
      if (!trial) this.#trial.supervisor.release(model);
      if (trial || state === 'staged') this.#serving.supervisor.release(model);
    }
    this.trials.decided(name);
  }

  list(): InstalledModel[] {
    if (!this.#scanned) this.rescan();
    const loaded = this.#loaded();
    return [...this.#models.values()].map((model) => {
      const { folder, manifest } = model.bundle;
      const { name, version, runtime, priceClass, card } = manifest;
      const reason = this.#refused(model);
      const trial = this.trials.stats(model.key);
      return {
        ...model.info,
        folder,
        runtime,
        priceClass,
        card,
        state: reason ? 'refused' : loaded.has(model.key) ? 'serving' : 'installed',
        life: this.#life.entry(name, version) ?? { state: 'staged', since: 0 },
        ...(trial ? { trial } : {}),
        ...(reason ? { reason } : {}),
      };
    });
  }

  versions(name: string): string[] {
    if (!this.#scanned) this.rescan();
    return this.#life.versions(name);
  }

  promote(key: string, force = false): Promise<void> {
    return this.#life.promote(key, force);
  }

  rollback(name: string, note?: string): Promise<void> {
    return this.#life.rollback(name, note);
  }

  stage(key: string, note?: string): void {
    this.#life.stage(key, note);
  }

  shadow(key: string): Promise<void> {
    return this.#life.tryOut(key, { state: 'shadow' });
  }

  canary(key: string, share: number): Promise<void> {
    return this.#life.tryOut(key, { state: 'canary', share });
  }

  async remove(key: string): Promise<void> {
    const { model } = this.route(key);
    const { name, version } = model.bundle.manifest;
    const { folder } = model.bundle;
    if (dirname(folder) !== this.#options.installedDir)
      throw new GatewayError('MODEL_STATE', `${key} comes with the gateway`, {
        fix: 'Promote another version of it: that one answers then.',
      });
    if (this.#life.entry(name, version)?.state === 'live' && this.#life.versions(name).length > 1)
      throw new GatewayError('MODEL_STATE', `${key} is live`, {
        fix: `Promote another version first, or roll back: \`aimx-gateway models rollback ${name}\`.`,
      });
    rmSync(folder, { recursive: true, force: true });
    this.#models.delete(key);
    this.#forget(model);
    this.#life.adopt();
    this.#options.log.info({ model: key, folder }, `models: ${key} was removed`);
  }

  async replaceHost(): Promise<void> {
    await this.#serving.supervisor.replaceHost();
  }

  stats(): InferenceStats {
    const { pid, rss, restarts } = this.#serving.supervisor.stats();
    const trial = this.#trial.supervisor.stats();
    return {
      waiting: this.#stations().reduce((sum, { waiting }) => sum + waiting, 0),
      inFlight: this.#stations().reduce((sum, { inFlight }) => sum + inFlight, 0),
      host: { pid, rss, restarts },
      trialHost: { pid: trial.pid, rss: trial.rss, restarts: trial.restarts },
      models: Object.fromEntries([...this.#models.values()].map((model) => [model.key, model.stats])),
    };
  }
}

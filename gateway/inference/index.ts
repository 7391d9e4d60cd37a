import { dirname } from 'node:path';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  BatchAnswer,
  Inference,
  ModelInfo,
  RunOptions,
  TensorAnswer,
  TensorRequest,
  WindowBatch,
} from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Bundle } from './bundle.ts';
import { Callers } from './callers.ts';
import { Dispatcher } from './dispatcher.ts';
import { LifeFile } from './life/file.ts';
import { Life } from './life/life.ts';
import type { NewVersionPolicy } from './life/record.ts';
import { Model } from './model.ts';
import type { ModelStats } from './model-stats.ts';
import { planOf } from './plan.ts';
import { scanBundles } from './registry.ts';
import { DEFAULT_HOST_BYTES } from './spawn-host.ts';
import { Supervisor } from './supervisor.ts';
import { checkWindows, WindowWork } from './window-work.ts';
import { failUnit, type Work } from './work.ts';

export interface InferenceOptions {
  /** Folders of bundle folders; the first that has a `name@version` counts. */
  readonly modelDirs: readonly string[];
  /** The one of them that users add bundles to; the states of versions are kept there. Absent: in memory. */
  readonly installedDir?: string;
  /** What becomes of a higher version that a user adds to a name that has a live one. Default: live. */
  readonly newVersion?: NewVersionPolicy;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** References to load at start; others are loaded when first used. */
  readonly preload?: readonly string[];
  /** Rows waiting in one priority before callers from outside are refused. */
  readonly maxWaiting?: number;
  /** Resident bytes beyond which the model host is replaced by a fresh one. */
  readonly maxHostRss?: number;
  /** Bytes beyond which the model host cannot allocate. */
  readonly maxHostBytes?: number;
}

export interface InferenceStats {
  readonly waiting: number;
  readonly inFlight: number;
  readonly host: {
    readonly pid: number | undefined;
    /** Resident bytes at the last heartbeat; 0 before the first. */
    readonly rss: number;
    readonly restarts: number;
  };
  readonly models: Readonly<Record<string, Readonly<ModelStats>>>;
}

/** An installed bundle, for people. */
export interface InstalledModel extends ModelInfo {
  readonly folder: string;
  readonly runtime: string;
  readonly priceClass: string;
  readonly card: Bundle['manifest']['card'];
  readonly state: 'installed' | 'serving' | 'refused';
  /** Why it is refused. */
  readonly reason?: GatewayError;
}

export interface InferenceService extends Inference {
  start(signal: AbortSignal): Promise<void>;
  /** Answers what waits with STOPPING after a short time to finish, and ends the host. Idempotent. */
  stop(): Promise<void>;
  list(): InstalledModel[];
  /**
   * Looks for new bundles in the folders. Those that are known stay as they are. A reference without version goes over
   * to a newer version when that has been loaded and checked.
   */
  rescan(): void;
  /** States of the versions of each model. */
  readonly life: Pick<Life<Model>, 'promote' | 'rollback' | 'stage' | 'tryOut' | 'entry' | 'versions'>;
  /** Starts a fresh host that takes over between batches; the old one gives its memory back. */
  replaceHost(): Promise<void>;
  stats(): InferenceStats;
}

const GIB = 1024 ** 3;

const stopping = (): GatewayError => new GatewayError('STOPPING', 'the gateway is stopping');

/** How long `stop` lets batches finish. */
const STOP_MS = 3000;

/**
 * The inference part of the gateway: bundles, queues and the model host. The host starts with the first model that is
 * needed.
 */
export function createInference(options: InferenceOptions): InferenceService {
  return new InferenceParts(options);
}

class InferenceParts implements InferenceService {
  readonly #options: InferenceOptions;
  readonly #dispatcher: Dispatcher;
  readonly #supervisor: Supervisor;
  readonly #models = new Map<string, Model>();
  readonly #life: Life<Model>;
  readonly #calls: Callers;
  #scanned = false;
  #stopping = false;

  constructor(options: InferenceOptions) {
    this.#options = options;
    const { clock, log, alarms } = options;
    this.#dispatcher = new Dispatcher({
      clock,
      maxWaiting: options.maxWaiting ?? 16_384,
      onPoison: (model) =>
        log.error({ model: model.key }, `inference: poison input for ${model.key}, not run again`),
    });
    this.#supervisor = new Supervisor({
      clock,
      log,
      alarms,
      dispatcher: this.#dispatcher,
      maxHostRss: options.maxHostRss ?? GIB,
      maxHostBytes: options.maxHostBytes ?? DEFAULT_HOST_BYTES,
    });
    this.#calls = new Callers({
      clock,
      find: (reference, routeKey) => this.#model(reference, routeKey),
      submit: (work) => this.#submit(work),
      stopping: () => this.#stopping,
    });
    const { installedDir, newVersion = 'live' } = options;
    this.#life = new Life({
      clock,
      log,
      alarms,
      file: new LifeFile(installedDir),
      installed: this.#models,
      policy: ({ folder }) => (installedDir && dirname(folder) === installedDir ? newVersion : 'live'),
      ready: (model) => this.#supervisor.ensure(model),
      usable: (model) => !this.#supervisor.refusedBecause(model),
      changed: () => undefined,
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    this.rescan();
    const models = (this.#options.preload ?? []).map((reference) => this.#model(reference));
    this.#supervisor.start();
    if (models.length === 0) return;
    const stopped = new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    // A refused model is an alarm and not a reason to keep the others from serving.
    const loaded = Promise.all(models.map((model) => this.#supervisor.ensure(model).catch(asGatewayError)));
    await Promise.race([loaded, stopped]);
    if (signal.aborted) await this.stop();
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const late = new Promise<void>((resolve) => void this.#options.clock.after(STOP_MS, resolve));
    await Promise.race([this.#dispatcher.idle(), late]);
    this.#dispatcher.stop('STOPPING', 'the gateway is stopping');
    await this.#supervisor.stop();
  }

  get life(): Life<Model> {
    return this.#life;
  }

  model(reference: string): ModelInfo {
    return this.#model(reference).info;
  }

  list(): InstalledModel[] {
    if (!this.#scanned) this.rescan();
    const serving = new Set(this.#supervisor.stats().serving);
    return [...this.#models.values()].map((model) => {
      const { folder, manifest } = model.bundle;
      const reason = this.#supervisor.refusedBecause(model);
      const state = reason ? 'refused' : serving.has(model.key) ? 'serving' : 'installed';
      const { runtime, priceClass, card } = manifest;
      return {
        ...model.info,
        folder,
        runtime,
        priceClass,
        card,
        state,
        ...(reason ? { reason } : {}),
      };
    });
  }

  rescan(): void {
    if (!this.#scanned) this.#life.load();
    this.#scanned = true;
    const { bundles, broken } = scanBundles(this.#options.modelDirs);
    for (const { folder, error } of broken)
      this.#options.log.error({ folder, error }, 'inference: skipping a bundle that is not valid');
    for (const bundle of bundles) {
      const key = `${bundle.manifest.name}@${bundle.manifest.version}`;
      if (!this.#models.has(key))
        this.#models.set(key, new Model(bundle, planOf(bundle), this.#models.size + 1));
    }
    this.#life.adopt();
  }

  run(reference: string, batch: WindowBatch, options: RunOptions): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#stopping) throw stopping();
      const model = this.#model(reference);
      if (batch.windows.length === 0) {
        resolve({ model: model.info, parts: [], failures: [] });
        return;
      }
      checkWindows(model, batch);
      const since = this.#options.clock.monotonic();
      // The windows are in a journal: losing them to a default would be worse than answering late.
      const { account, deadline = Number.POSITIVE_INFINITY } = options;
      const terms = { priority: 'pipeline', account, since, deadline: since + deadline } as const;
      const answered = (answer: BatchAnswer): void => {
        if (this.#stopping && answer.failures.some(({ code }) => code === 'STOPPING')) reject(stopping());
        else resolve(answer);
      };
      this.#submit(new WindowWork(model, batch, terms, answered));
    });
  }

  infer(reference: string, request: TensorRequest): Promise<TensorAnswer> {
    return this.#calls.infer(reference, request);
  }

  /** Loading may take a while; what waits is answered when it serves, when it is refused, or at its deadline. */
  #submit(work: Work): void {
    const { model } = work;
    const refused = this.#supervisor.refusedBecause(model);
    if (refused) {
      for (let unit = 0; unit < work.units; unit++) failUnit(work, unit, 'MODEL_REFUSED', refused.message);
      return;
    }
    this.#dispatcher.submit(work);
    if (this.#supervisor.serves(model)) return;
    this.#supervisor.ensure(model).catch((error: unknown) => {
      const { code, message } = asGatewayError(error);
      this.#dispatcher.fail(code, message, model);
    });
  }

  versions(name: string): readonly string[] {
    if (!this.#scanned) this.rescan();
    return this.#life.versions(name);
  }

  ready(reference: string): boolean {
    try {
      return this.#supervisor.refusedBecause(this.#model(reference)) === undefined;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'MODEL_MISSING') return false;
      throw error;
    }
  }

  replaceHost(): Promise<void> {
    return this.#supervisor.replaceHost();
  }

  stats(): InferenceStats {
    const { pid, rss, restarts } = this.#supervisor.stats();
    return {
      waiting: this.#dispatcher.waiting,
      inFlight: this.#dispatcher.inFlight,
      host: { pid, rss, restarts },
      models: Object.fromEntries([...this.#models.values()].map((model) => [model.key, model.stats])),
    };
  }

  /** The version that answers a reference: see {@link Life.route}. */
  #model(reference: string, routeKey?: string): Model {
    if (!this.#scanned) this.rescan();
    return this.#life.route(reference, routeKey).model;
  }
}

import { dirname } from 'node:path';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  Inference,
  ModelAnswer,
  ModelIdentity,
  ModelInfo,
  ModelInput,
  RunOptions,
  TensorAnswer,
  TensorRequest,
} from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import { windowShape } from './batch.ts';
import type { Bundle } from './bundle.ts';
import { checkedInputs, decodeCall } from './calls.ts';
import { Dispatcher } from './dispatcher.ts';
import { LifeFile } from './life/file.ts';
import { Life } from './life/life.ts';
import type { NewVersionPolicy } from './life/record.ts';
import type { ModelStats } from './model-stats.ts';
import { planOf, rangeOf } from './plan.ts';
import { scanBundles } from './registry.ts';
import { DEFAULT_HOST_BYTES } from './spawn-host.ts';
import { Model } from './submission.ts';
import { Supervisor } from './supervisor.ts';

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
  /** Windows waiting before callers that do not want to wait are refused. */
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
    return infoOf(this.#model(reference));
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
        ...infoOf(model),
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

  async run(
    reference: string,
    items: readonly ModelInput[],
    options: RunOptions = {},
  ): Promise<ModelAnswer[]> {
    if (this.#stopping) throw new GatewayError('STOPPING', 'the gateway is stopping');
    const model = this.#model(reference);
    const { manifest } = model.bundle;
    const refuse = options.whenFull === 'refuse';
    // Callers that wait have the window in a journal: losing it to a default would be worse than answering late.
    const deadline =
      options.deadline ?? (refuse ? manifest.limits.deadline : undefined) ?? Number.POSITIVE_INFINITY;
    const refused = this.#supervisor.refusedBecause(model);
    const answers = this.#dispatcher.submit(model, items, { deadline, refuse }, (item) =>
      refused ? { code: 'MODEL_REFUSED', message: refused.message } : wrongShape(model, item),
    );
    // Loading may take a while; what waits is answered when it serves, when it is refused, or at its deadline.
    if (!refused && !this.#supervisor.serves(model))
      this.#supervisor.ensure(model).catch((error: unknown) => {
        const { code, message } = asGatewayError(error);
        this.#dispatcher.fail(code, message, model);
      });
    const done = await answers;
    if (this.#stopping && done.some((answer) => !answer.ok && answer.code === 'STOPPING'))
      throw new GatewayError('STOPPING', 'the gateway is stopping');
    return done;
  }

  async infer(reference: string, request: TensorRequest): Promise<TensorAnswer> {
    if (this.#stopping) throw new GatewayError('STOPPING', 'the gateway is stopping');
    let identity: ModelIdentity | undefined;
    try {
      const model = this.#model(reference, request.routeKey);
      const { name, version, sha256 } = model.bundle.manifest;
      identity = { name, version, sha256 };
      const inputs = checkedInputs(model.key, model.plan, request.inputs);
      const since = this.#options.clock.monotonic();
      await this.#supervisor.ensure(model);
      const count = model.plan.batched ? inputs[0]!.shape[0]! : 1;
      const [header, frame] = await this.#dispatcher.call(model, inputs, count);
      const outputs = decodeCall(model.plan, header, frame);
      const computeUs = Math.max(1, Math.ceil(header.micros));
      const queueUs = Math.max(0, Math.round((this.#options.clock.monotonic() - since) * 1000) - computeUs);
      return { ok: true, model: identity, outputs, computeUs, queueUs };
    } catch (error) {
      const { code, message } = asGatewayError(error);
      return { ok: false, model: identity, code, message };
    }
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

function infoOf({ bundle: { manifest }, plan }: Model): ModelInfo {
  return {
    name: manifest.name,
    version: manifest.version,
    sha256: manifest.sha256,
    features: manifest.features,
    ...(manifest.columns ? { columns: manifest.columns } : {}),
    rows: manifest.rows,
    recurrent: manifest.state.length > 0 || manifest.preprocess.some((step) => step.step === 'context'),
    maxBatch: manifest.limits.maxBatch,
    inputs: plan.face.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    outputs: plan.results.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
  };
}

function wrongShape(
  { bundle, plan, key }: Model,
  item: ModelInput,
): { code: string; message: string } | null {
  const { rows } = bundle.manifest;
  const { columns, minColumns } = plan;
  const wrong = (message: string) => ({ code: 'MODEL_SHAPE', message });
  if (
    item.columns < minColumns ||
    item.columns > columns ||
    item.rows < 1 ||
    (rows !== undefined && item.rows !== rows)
  )
    return wrong(
      `${key} takes windows of ${rows ?? 'any'} rows × ${rangeOf(plan)} columns, got ${item.rows} × ${item.columns}`,
    );
  if (item.window.length !== item.rows * item.columns)
    return wrong(`a window of ${item.rows} × ${item.columns} has ${item.window.length} values`);
  if (item.window.length * 8 > plan.maxTensorBytes)
    return wrong(`a window of ${item.window.length} values is larger than limits.maxTensorBytes of ${key}`);
  if (!plan.window) return wrong(`${key} takes no windows`);
  try {
    windowShape(plan, 1, item);
  } catch (error) {
    return wrong(asGatewayError(error).message);
  }
  if (!item.state) return null;
  for (const slot of plan.slots) {
    const values = item.state[slot.name];
    if (values?.length !== slot.size)
      return wrong(`state "${slot.name}" of ${key} has ${slot.size} values, got ${values?.length ?? 'none'}`);
  }
  return null;
}

import { existsSync } from 'node:fs';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ModelState } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import { verifyHash } from './bundle.ts';
import { outputsOf } from './columns.ts';
import type { Footprint } from './footprints.ts';
import { compareOutputs, type GoldenSample, type GoldenStep, readGolden, type Tolerance } from './golden.ts';
import { compareGolden } from './golden-tensors.ts';
import { BLAME, type HostExit, HostProcess } from './host-process.ts';
import type { Model } from './model.ts';
import { rangeOf } from './plan.ts';
import { probeTensors, probeWindow } from './probe.ts';
import type { Trust } from './signing/trust.ts';

/** A host with its models loaded and checked, ready to serve. */
export interface Generation {
  readonly host: HostProcess;
  readonly serving: ReadonlySet<Model>;
  readonly refused: ReadonlyMap<Model, GatewayError>;
}

export interface GenerationOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly models: readonly Model[];
  readonly trust: Trust;
  /** A model was loaded and made its host grow by so much. */
  measured(model: Model, footprint: Footprint): void;
  /** Most memory the host may allocate. */
  readonly maxBytes: number;
  /** See {@link HostOptions.sparing}. */
  readonly sparing: boolean;
  /** Resident bytes beyond which the models that are left stay out, but never the first one. */
  readonly maxRss: number;
  /** What a model is expected to take while it is loaded. */
  loadSize(model: Model): number;
  readonly signal: AbortSignal;
  onStart(host: HostProcess): void;
  /** Runs when a host ends, also while it is being made ready. */
  onExit(host: HostProcess, exit: HostExit): void;
}

/** How often a model may end its host while it is loaded or checked before it is refused. */
const LOAD_CRASHES = 2;
/** How often a host may end before it has loaded anything. */
const START_CRASHES = 3;

/**
 * Starts a host, loads every model and runs its golden samples. A model that fails, or ends the host twice, is refused
 * and the others serve. Rejects with MODEL_HOST when no host can be started, with STOPPING when aborted.
 */
export async function makeGeneration(options: GenerationOptions): Promise<Generation> {
  const { models, signal } = options;
  const refused = new Map<Model, GatewayError>();
  const crashes = new Map<Model, number>();
  let starts = 0;
  for (;;) {
    if (signal.aborted) throw new GatewayError('STOPPING', 'the gateway is stopping');
    let blame = 0;
    const host: HostProcess = new HostProcess({
      clock: options.clock,
      log: options.log,
      maxBytes: options.maxBytes,
      sparing: options.sparing,
      onExit: (exit) => {
        blame = BLAME[exit.kind];
        options.onExit(host, exit);
      },
    });
    options.onStart(host);
    const abort = (): void => host.kill('closed');
    signal.addEventListener('abort', abort, { once: true });
    let loading: Model | null = null;
    try {
      let rss = await rssOf(host);
      const serving = new Set<Model>();
      for (const model of models) {
        if (refused.has(model)) continue;
        if (serving.size > 0 && rss + options.loadSize(model) > options.maxRss) continue;
        loading = model;
        const failed = await loadModel(host, model, options).catch((error: unknown) => {
          if (!host.alive) throw error;
          if (serving.size > 0 && noMemory(error)) options.measured(model, whole(options.maxRss));
          else refused.set(model, asGatewayError(error));
          return 'failed' as const;
        });
        if (failed) continue;
        rss = await rssOf(host);
        if (serving.size === 0 || rss <= options.maxRss) serving.add(model);
        else {
          await host.control({ op: 'unload', handle: model.handle });
          rss = await rssOf(host);
        }
      }
      return { host, serving, refused };
    } catch (error) {
      if (!loading && ++starts >= START_CRASHES) throw asGatewayError(error);
      if (!loading) continue;
      const count = (crashes.get(loading) ?? 0) + blame;
      crashes.set(loading, count);
      if (count >= LOAD_CRASHES - 1e-9)
        refused.set(
          loading,
          new GatewayError('MODEL_LOAD', `${loading.key} ends the model host when it is loaded`),
        );
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

/**
 * Loads a model into a host after its files and its signature were checked, and runs its golden samples. Rejects with
 * the coded error that says why it must not serve; it is not in the host then.
 */
export async function loadModel(
  host: HostProcess,
  model: Model,
  { log, trust, measured }: Pick<GenerationOptions, 'log' | 'trust' | 'measured'>,
): Promise<void> {
  const { bundle, handle, plan } = model;
  if (!existsSync(bundle.folder))
    throw new GatewayError('MODEL_MISSING', `its folder ${bundle.folder} was removed`);
  const signature = await trust.check(bundle);
  if (signature.state === 'unsigned' || signature.state === 'not trusted')
    log.warn({ model: model.key }, `inference: ${model.key} serves although ${signature.reason}`);
  await verifyHash(bundle);
  const { before, peak } = await host.control<{ before: number; peak: number }>({ op: 'load', handle, plan });
  try {
    const samples = readGolden(bundle);
    if (samples.length === 0)
      log.warn({ model: model.key }, `inference: ${model.key} has no golden samples, serving it unchecked`);
    for (const sample of samples) await checkSample(host, model, sample);
  } catch (error) {
    if (host.alive) await host.control({ op: 'unload', handle });
    throw error;
  }
  const bytes = Math.max(0, (await rssOf(host)) - before);
  measured(model, { bytes, peak: Math.max(bytes, peak - before) });
}

/** Of a model that could not be loaded beside others: it needs all there is. */
export const whole = (bytes: number): Footprint => ({ bytes, peak: bytes });

/** Whether a model could not be loaded because others took the memory. */
export const noMemory = (error: unknown): boolean => /bad_alloc|llocat/.test(asGatewayError(error).message);

/** Resident bytes of a host. */
export const rssOf = async (host: HostProcess): Promise<number> =>
  (await host.control<{ rss: number }>({ op: 'stats' })).rss;

/** Runs one golden sample; rejects with MODEL_GOLDEN when the model does not give what it should. */
async function checkSample(host: HostProcess, model: Model, sample: GoldenSample): Promise<void> {
  let state: ModelState | undefined;
  for (const [i, step] of sample.steps.entries()) {
    const where = sample.steps.length > 1 ? `${sample.file}: step ${i}` : sample.file;
    try {
      state = await checkStep(host, model, step, sample.tolerance, state);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'MODEL_GOLDEN') throw error;
      throw new GatewayError('MODEL_GOLDEN', `${where}: ${error.message}`);
    }
  }
}

async function checkStep(
  host: HostProcess,
  model: Model,
  step: GoldenStep,
  tolerance: Tolerance,
  before: ModelState | undefined,
): Promise<ModelState | undefined> {
  if ('tensors' in step) {
    const { outputs, state } = await probeTensors(host, model, step.inputs, before);
    const difference = compareGolden(outputs, step.tensors, tolerance);
    if (difference) throw new GatewayError('MODEL_GOLDEN', difference);
    return state;
  }
  const { window, rows, columns, outputs } = step;
  const { columns: most, minColumns: least } = model.plan;
  const wantedRows = model.bundle.manifest.rows;
  if (columns < least || columns > most || (wantedRows !== undefined && rows !== wantedRows))
    throw new GatewayError(
      'MODEL_GOLDEN',
      `window is ${rows} × ${columns}, the manifest says ${wantedRows ?? 'any'} × ${rangeOf(model.plan)}`,
    );
  const { parts, failures } = await probeWindow(host, model, { values: window, rows, columns }, before);
  const [part] = parts;
  if (!part) throw new GatewayError('MODEL_GOLDEN', failures[0]?.message ?? 'no answer');
  const difference = compareOutputs(outputsOf(part, 0), outputs, tolerance);
  if (difference) throw new GatewayError('MODEL_GOLDEN', difference);
  return part.states?.(0);
}

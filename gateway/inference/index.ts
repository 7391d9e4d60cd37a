import { GatewayError } from '../errors.ts';
import type {
  BatchAnswer,
  ModelInfo,
  RunOptions,
  TensorAnswer,
  TensorRequest,
  WindowBatch,
} from '../ports/inference.ts';
import { Callers } from './callers.ts';
import { withoutStates } from './life/trials.ts';
import type { Model } from './model.ts';
import type { InferenceOptions, InferenceService, InferenceStats, InstalledModel } from './service.ts';
import { Versions } from './versions.ts';
import { checkWindows, WindowWork } from './window-work.ts';

export type { InferenceOptions, InferenceService, ModelLife } from './service.ts';

const stopping = (): GatewayError => new GatewayError('STOPPING', 'the gateway is stopping');

/**
 * The inference part of the gateway: bundles, queues and model hosts. A host starts with the first model that is
 * needed.
 */
export function createInference(options: InferenceOptions): InferenceService {
  return new InferenceParts(options);
}

class InferenceParts implements InferenceService {
  readonly #options: InferenceOptions;
  readonly #versions: Versions;
  readonly #calls: Callers;
  #stopping = false;

  constructor(options: InferenceOptions) {
    this.#options = options;
    this.#versions = new Versions(options);
    this.#calls = new Callers({
      clock: options.clock,
      find: (reference, routeKey) => this.#versions.route(reference, routeKey).model,
      submit: (work) => this.#versions.submit(work),
      stopping: () => this.#stopping,
    });
  }

  get life(): Versions {
    return this.#versions;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    const stopped = new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    await Promise.race([this.#versions.start(this.#options.preload ?? []), stopped]);
    if (signal.aborted) await this.stop();
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#versions.stop();
  }

  model(reference: string): ModelInfo {
    return this.#versions.route(reference).model.info;
  }

  route(reference: string, routeKey: string): ModelInfo {
    return this.#versions.route(reference, routeKey).model.info;
  }

  list(): InstalledModel[] {
    return this.#versions.list();
  }

  rescan(): void {
    this.#versions.rescan();
  }

  async run(reference: string, batch: WindowBatch, options: RunOptions): Promise<BatchAnswer> {
    if (this.#stopping) throw stopping();
    const route = this.#versions.route(reference, options.routeKey);
    if (batch.windows.length === 0) return { model: route.model.info, parts: [], failures: [] };
    const own = batch.statesOf === undefined || batch.statesOf === route.model.info.sha256;
    return await this.#versions.trials.windows(route, own ? batch : withoutStates(batch), (model, windows) =>
      this.#run(model, windows, options),
    );
  }

  #run(model: Model, batch: WindowBatch, options: RunOptions): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      checkWindows(model, batch);
      const since = this.#options.clock.monotonic();
      // The windows are in a journal: losing them to a default would be worse than answering late.
      const { account, deadline = Number.POSITIVE_INFINITY } = options;
      const terms = { priority: 'pipeline', account, since, deadline: since + deadline } as const;
      const answered = (answer: BatchAnswer): void => {
        if (this.#stopping && answer.failures.some(({ code }) => code === 'STOPPING')) reject(stopping());
        else resolve(answer);
      };
      this.#versions.submit(new WindowWork(model, batch, terms, answered));
    });
  }

  async infer(reference: string, request: TensorRequest): Promise<TensorAnswer> {
    if (this.#stopping) return await this.#calls.infer(reference, request);
    let route: ReturnType<Versions['route']>;
    try {
      route = this.#versions.route(reference, request.routeKey);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (request.sequence) return await this.#calls.infer(reference, request);
      return { ok: false, model: undefined, code: error.code, message: error.message };
    }
    const { trials } = this.#versions;
    if (!request.sequence)
      return await trials.call(route, request, ({ key }) => this.#calls.infer(key, request));
    // A sequence stays with the version it began with, whatever becomes of that.
    const answer = await this.#calls.infer(reference, request);
    trials.sequence(route, request, answer);
    return answer;
  }

  versions(name: string): readonly string[] {
    return this.#versions.versions(name);
  }

  ready(reference: string): boolean {
    try {
      return this.#versions.refused(this.#versions.route(reference).model) === undefined;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'MODEL_MISSING') return false;
      throw error;
    }
  }

  replaceHost(): Promise<void> {
    return this.#versions.replaceHost();
  }

  stats(): InferenceStats {
    return this.#versions.stats();
  }
}

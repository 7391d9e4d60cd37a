import { asGatewayError, type ErrorCode, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  AnsweredPart,
  BatchAnswer,
  Inference,
  ModelInfo,
  WindowBatch,
  WindowFailure,
} from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { Backoff, LOCAL } from '../system/backoff.ts';
import { pause } from './commit.ts';
import { KeptStates } from './kept-states.ts';

/** Answers that say that no model serves, and nothing about the window: it waits. */
const ABSENT: ReadonlySet<string> = new Set<ErrorCode>([
  'MODEL_REFUSED',
  'MODEL_MISSING',
  'MODEL_HOST',
  'REMOTE_UNAVAILABLE',
  'STOPPING',
]);

const NO_ANSWER = { code: 'INTERNAL', message: 'the model host gave no answer' };

/** Why a window has no outputs. */
export type Failure = Omit<WindowFailure, 'index'>;

/** What became of each window: outputs in the part that holds it, or a failure. */
export class Answers {
  readonly #parts: (AnsweredPart | undefined)[];
  readonly #places: Uint32Array;
  readonly #failures: (Failure | undefined)[];
  readonly #models: ModelInfo[];

  constructor(count: number) {
    this.#parts = new Array(count).fill(undefined);
    this.#places = new Uint32Array(count);
    this.#failures = new Array(count).fill(undefined);
    this.#models = new Array(count);
  }

  /** The part that holds the outputs of a window; undefined when it has failed. */
  part(window: number): AnsweredPart | undefined {
    return this.#parts[window];
  }

  /** The place of a window in its part. */
  place(window: number): number {
    return this.#places[window]!;
  }

  /** The version that answered a window that has a part. */
  model(window: number): ModelInfo {
    return this.#models[window]!;
  }

  failure(window: number): Failure {
    return this.#failures[window] ?? NO_ANSWER;
  }

  /** Takes in what a batch was answered; `indexes` are the windows in it. */
  add(indexes: readonly number[], { model, parts, failures }: BatchAnswer): void {
    for (const part of parts) {
      for (let n = part.from; n < part.to; n++) {
        const window = indexes[n]!;
        this.#parts[window] = part;
        this.#models[window] = model;
        this.#places[window] = n - part.from;
      }
    }
    for (const failure of failures) this.#failures[indexes[failure.index]!] = failure;
  }
}

export interface ModelCallsOptions {
  /** Whose share of a busy model it takes. */
  readonly account: string;
  /** `name` or `name@version`. */
  readonly model: string;
  readonly columns: number;
  readonly inference: Inference;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long windows may wait for the model (ms), and what ends the wait. */
export interface Patience {
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/** Takes windows to the model host in batches and keeps the state of recurrent models per key. */
export class ModelCalls {
  readonly states = new KeptStates();
  batches = 0;
  readonly #options: ModelCallsOptions;
  #info: ModelInfo;

  /** Throws the coded error of {@link Inference.model} when there is no such model. */
  constructor(options: ModelCallsOptions) {
    this.#options = options;
    this.#info = options.inference.model(options.model);
  }

  /** The model that serves, as of the last {@link lookUp}. */
  get info(): ModelInfo {
    return this.#info;
  }

  /** Looks again which model serves: it may have been replaced by a newer one, or be gone for now. */
  lookUp(): ModelInfo {
    const { inference, model, log } = this.#options;
    try {
      this.#info = inference.model(model);
    } catch (error) {
      const { code, message } = asGatewayError(error);
      log.warn({ code }, `model ${model}: ${message}; going on as ${this.#info.name}@${this.#info.version}`);
    }
    return this.#info;
  }

  /**
   * Answers in the order of `windows`. A recurrent model gets each key at most once per batch, in order, with the
   * state its last answer left. Windows of keys that go to another version of the model (a canary) go apart. Rejects
   * only when stopping.
   */
  async answer(windows: readonly ClosedWindow[], patience: Patience): Promise<Answers> {
    const answers = new Answers(windows.length);
    const waves = this.#info.recurrent ? wavesOf(windows) : [windows.map((_, i) => i)];
    const size = Math.max(1, this.#info.maxBatch);
    for (const wave of waves) {
      const batches: Promise<void>[] = [];
      for (const [model, members] of this.#byVersion(wave, windows)) {
        for (const group of bySize(members, windows)) {
          for (let from = 0; from < group.length; from += size)
            batches.push(this.#batch(model, group.slice(from, from + size), windows, answers, patience));
        }
      }
      await Promise.all(batches);
    }
    return answers;
  }

  /** Indexes by the version that answers their key. */
  #byVersion(
    indexes: readonly number[],
    windows: readonly ClosedWindow[],
  ): Iterable<[ModelInfo, readonly number[]]> {
    const versions = Map.groupBy(indexes, (i) => this.#versionFor(windows[i]!.key));
    return versions.size === 1 ? [[versions.keys().next().value!, indexes]] : versions;
  }

  #versionFor(key: string): ModelInfo {
    const { inference, model } = this.#options;
    try {
      return inference.route(model, key);
    } catch (error) {
      // There is no such model at the moment: the call itself says so, and waits.
      if (asGatewayError(error).code !== 'MODEL_MISSING') throw error;
      return this.#info;
    }
  }

  /** Windows of one size that go to one version. */
  async #batch(
    version: ModelInfo,
    indexes: readonly number[],
    windows: readonly ClosedWindow[],
    answers: Answers,
    patience: Patience,
  ): Promise<void> {
    const { columns } = this.#options;
    const { recurrent, sha256 } = version;
    const batch = {
      rows: windows[indexes[0]!]!.rows,
      columns,
      windows: indexes.map((i) => windows[i]!.values),
      ...(recurrent
        ? { states: indexes.map((i) => this.states.get(windows[i]!.key, sha256)), statesOf: sha256 }
        : {}),
    };
    const answered = await this.#ask(batch, windows[indexes[0]!]!.key, patience);
    this.batches++;
    answers.add(indexes, answered);
    for (const { states, from, to } of answered.parts) {
      if (!states) continue;
      for (let n = from; n < to; n++)
        this.states.set(windows[indexes[n]!]!.key, answered.model.sha256, states(n - from));
    }
  }

  async #ask(batch: WindowBatch, routeKey: string, { deadline, signal }: Patience): Promise<BatchAnswer> {
    const { inference, model, account, clock, log } = this.#options;
    for (const backoff = new Backoff(LOCAL); ; ) {
      try {
        const answer = await inference.run(model, batch, { account, deadline, routeKey });
        const absent = answer.failures.find(({ code }) => ABSENT.has(code));
        if (absent === undefined) return answer;
        throw new GatewayError(absent.code as ErrorCode, absent.message);
      } catch (error) {
        const { code, message } = asGatewayError(error);
        if (signal.aborted || code === 'STOPPING') throw error;
        if (code === 'MODEL_SHAPE') return this.#none(batch, { code, message });
        const delay = backoff.next();
        log.warn({ code, retryMs: delay }, `model ${model}: no answer (${message}), trying again`);
        await pause(clock, delay, signal);
      }
    }
  }

  /** The model takes no windows of this size, whatever is in them. */
  #none({ windows }: WindowBatch, failure: Failure): BatchAnswer {
    return {
      model: this.#info,
      parts: [],
      failures: windows.map((_, index) => ({ index, ...failure })),
    };
  }
}

/** Indexes in groups of windows of one size. */
function bySize(indexes: readonly number[], windows: readonly ClosedWindow[]): (readonly number[])[] {
  const rows = windows[indexes[0]!]?.rows;
  if (indexes.every((i) => windows[i]!.rows === rows)) return indexes.length === 0 ? [] : [indexes];
  return [...Map.groupBy(indexes, (i) => windows[i]!.rows).values()];
}

/** Indexes in waves that hold each key at most once, in order per key. */
function wavesOf(windows: readonly ClosedWindow[]): number[][] {
  const seen = new Map<string, number>();
  const waves: number[][] = [];
  for (let i = 0; i < windows.length; i++) {
    const { key } = windows[i]!;
    const wave = seen.get(key) ?? 0;
    seen.set(key, wave + 1);
    const members = waves[wave];
    if (members === undefined) waves[wave] = [i];
    else members.push(i);
  }
  return waves;
}

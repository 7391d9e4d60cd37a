import { asGatewayError, type ErrorCode, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference, ModelAnswer, ModelInfo, ModelInput } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { Backoff, LOCAL } from '../system/backoff.ts';
import { pause } from './commit.ts';
import { KeptStates } from './kept-states.ts';

/** Answers that say that no model serves, and nothing about the window: it waits. */
const ABSENT: ReadonlySet<string> = new Set<ErrorCode>(['MODEL_REFUSED', 'MODEL_HOST', 'STOPPING']);

const NO_ANSWER: ModelAnswer = { ok: false, code: 'INTERNAL', message: 'the model host gave no answer' };

export interface ModelCallsOptions {
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
   * state its last answer left. Rejects only when stopping.
   */
  async answer(windows: readonly ClosedWindow[], patience: Patience): Promise<ModelAnswer[]> {
    const answers = new Array<ModelAnswer>(windows.length);
    const waves = this.#info.recurrent ? wavesOf(windows) : [windows.map((_, i) => i)];
    const size = Math.max(1, this.#info.maxBatch);
    for (const wave of waves) {
      const batches: Promise<void>[] = [];
      for (let from = 0; from < wave.length; from += size) {
        batches.push(this.#batch(wave.slice(from, from + size), windows, answers, patience));
      }
      await Promise.all(batches);
    }
    return answers;
  }

  async #batch(
    indexes: readonly number[],
    windows: readonly ClosedWindow[],
    answers: ModelAnswer[],
    patience: Patience,
  ): Promise<void> {
    const { columns } = this.#options;
    const { recurrent } = this.#info;
    const items = indexes.map((i): ModelInput => {
      const { key, values, rows } = windows[i]!;
      return { state: recurrent ? this.states.get(key) : undefined, window: values, rows, columns };
    });
    const answered = await this.#ask(items, patience);
    this.batches++;
    for (let n = 0; n < indexes.length; n++) {
      const i = indexes[n]!;
      const answer = answered[n] ?? NO_ANSWER;
      answers[i] = answer;
      if (recurrent && answer.ok && answer.output.state)
        this.states.set(windows[i]!.key, answer.output.state);
    }
  }

  async #ask(items: readonly ModelInput[], { deadline, signal }: Patience): Promise<ModelAnswer[]> {
    const { inference, model, clock, log } = this.#options;
    for (const backoff = new Backoff(LOCAL); ; ) {
      try {
        const answers = await inference.run(model, items, { deadline });
        const absent = answers.find((answer) => !answer.ok && ABSENT.has(answer.code));
        if (absent === undefined || absent.ok) return answers;
        throw new GatewayError(absent.code as ErrorCode, absent.message);
      } catch (error) {
        const { code, message } = asGatewayError(error);
        if (signal.aborted || code === 'STOPPING') throw error;
        const delay = backoff.next();
        log.warn({ code, retryMs: delay }, `model ${model}: no answer (${message}), trying again`);
        await pause(clock, delay, signal);
      }
    }
  }
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

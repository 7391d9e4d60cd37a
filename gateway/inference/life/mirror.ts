import { asGatewayError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BatchAnswer, TensorAnswer, TensorRequest, WindowBatch } from '../../ports/inference.ts';
import type { Tensor } from '../../ports/tensor.ts';
import { type Called, CallWork } from '../call-work.ts';
import { checkedInputs } from '../calls.ts';
import type { Model } from '../model.ts';
import { Sequences } from '../sequences.ts';
import { checkWindows, WindowWork } from '../window-work.ts';
import type { Terms, Work } from '../work.ts';
import { type Closeness, compareBatches, compareTensors } from './compare.ts';
import type { Outcomes } from './outcomes.ts';

/** A comparison that comes later than this is not worth waiting for. */
const PATIENCE_MS = 30_000;
/** Bytes of copies that wait, and of state that sequences have in shadows. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Answers that say that a version had no time, and nothing about it. */
const NO_TIME: ReadonlySet<string> = new Set(['DEADLINE', 'QUEUE_FULL', 'STOPPING']);

type Answered = Extract<TensorAnswer, { ok: true }>;

export interface MirrorOptions {
  readonly clock: Clock;
  readonly tolerance: Closeness;
  readonly maxWaiting: number;
  submit(work: Work): void;
}

/** Where the result of a comparison goes. */
export interface Judgement {
  /** Which of the two is judged: the one that answered (a canary), or the one that gets the copy (a shadow). */
  readonly judged: 'answer' | 'copy';
  readonly outcomes: Outcomes;
  judge(): void;
}

/**
 * Gives one version copies of what another has answered, and compares. Bounded: what is too much is left out. Copies have
 * the lowest priority, and those for shadows a host of their own, so nobody waits for them.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #sequences: Sequences;
  #waiting = 0;
  #bytes = 0;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#sequences = new Sequences(options.clock, MAX_BYTES);
  }

  windows(model: Model, batch: WindowBatch, answer: BatchAnswer, judgement: Judgement): void {
    const { judged, outcomes, judge } = judgement;
    const { length } = batch.windows;
    const bytes = length * batch.rows * batch.columns * 8;
    // State in the windows is that of the version which answered; a canary's says nothing to the live version.
    if (judged === 'answer' && model.info.recurrent) {
      outcomes.skipped += length;
      return;
    }
    if (!this.#enter(length, bytes, outcomes)) return;
    try {
      // The caller may use its windows again; states are made anew with each answer.
      const copy = { ...batch, windows: batch.windows.map((window) => window.slice()) };
      checkWindows(model, copy);
      const work = new WindowWork(model, copy, this.#terms(), (found) => {
        this.#leave(length, bytes);
        for (const { from, to, computeUs } of found.parts)
          for (let i = from; i < to; i++) computed(judgement, computeUs);
        for (const { index, code, message } of found.failures) {
          if (!answer.failures.some((failure) => failure.index === index)) missing(judgement, code, message);
        }
        const [trial, live] = judged === 'copy' ? [found, answer] : [answer, found];
        compareBatches(trial, live, this.#options.tolerance, ({ agrees, difference }) =>
          outcomes.compare(agrees, difference),
        );
        judge();
      });
      this.#options.submit(work);
    } catch (error) {
      this.#leave(length, bytes);
      this.#failed(error, judgement);
    }
  }

  /** A call, or the next call of a sequence, whose state the copy has for itself from the sequence's start on. */
  call(model: Model, request: TensorRequest, answer: Answered, judgement: Judgement): void {
    const place = model.info.recurrent ? this.#sequences.place(model.key, request) : undefined;
    try {
      const inputs = checkedInputs(model, request.inputs);
      if (!place) {
        this.#ask(model, inputs, answer, undefined, judgement);
        return;
      }
      this.#sequences
        .run(place, model, (state) => this.#inSequence(model, inputs, answer, state, judgement))
        .then(
          // One call left out, and its state is no longer that of the sequence.
          ({ ok }) => ok || this.#sequences.forget(place),
          () => {
            judgement.outcomes.skipped++;
          },
        );
    } catch (error) {
      this.#failed(error, judgement);
    }
  }

  #inSequence(
    model: Model,
    inputs: readonly Tensor[],
    answer: Answered,
    state: CallState,
    judgement: Judgement,
  ): Promise<Called> {
    return new Promise((resolve) => {
      if (!this.#ask(model, inputs, answer, state, judgement, resolve)) resolve(LEFT_OUT);
    });
  }

  /** Answers whether it was asked. */
  #ask(
    model: Model,
    inputs: readonly Tensor[],
    answer: Answered,
    state: CallState,
    judgement: Judgement,
    done?: (called: Called) => void,
  ): boolean {
    const { judged, outcomes, judge } = judgement;
    let bytes = 0;
    const options = { outputs: Object.keys(answer.outputs), state };
    const work = new CallWork(model, inputs, options, this.#terms(), (called) => {
      const found = called.answer;
      this.#leave(1, bytes);
      if (found.ok) {
        computed(judgement, found.computeUs);
        const [trial, live] = judged === 'copy' ? [found, answer] : [answer, found];
        const { agrees, difference } = compareTensors(trial, live, this.#options.tolerance);
        outcomes.compare(agrees, difference);
      } else missing(judgement, found.code, found.message);
      done?.(called);
      judge();
    });
    bytes = work.unitBytes;
    if (work.rows > model.maxBatch) outcomes.skipped++;
    else if (this.#enter(1, bytes, outcomes)) {
      this.#options.submit(work);
      return true;
    }
    return false;
  }

  #terms(): Terms {
    const since = this.#options.clock.monotonic();
    return { priority: 'bulk', account: 'shadow', since, deadline: since + PATIENCE_MS };
  }

  #enter(count: number, bytes: number, outcomes: Outcomes): boolean {
    const full =
      this.#waiting > 0 &&
      (this.#waiting + count > this.#options.maxWaiting || this.#bytes + bytes > MAX_BYTES);
    if (full) {
      outcomes.skipped += count;
      return false;
    }
    this.#waiting += count;
    this.#bytes += bytes;
    return true;
  }

  #leave(count: number, bytes: number): void {
    this.#waiting -= count;
    this.#bytes -= bytes;
  }

  #failed(error: unknown, judgement: Judgement): void {
    const { code, message } = asGatewayError(error);
    missing(judgement, code, message);
    judgement.judge();
  }
}

type CallState = ConstructorParameters<typeof CallWork>[2]['state'];

const LEFT_OUT: Called = {
  answer: { ok: false, model: undefined, code: 'QUEUE_FULL', message: 'left out' },
  state: undefined,
};

/** The copy was computed. */
function computed({ judged, outcomes }: Judgement, us: number): void {
  if (judged === 'copy') outcomes.answered(us);
  else outcomes.live(us);
}

/** The copy was not: a shadow's fault, unless it had no time; nothing is known when it was the live version's. */
function missing({ judged, outcomes }: Judgement, code: string, message: string): void {
  if (judged === 'answer' || NO_TIME.has(code)) outcomes.skipped++;
  else outcomes.failed(`${code}: ${message}`);
}

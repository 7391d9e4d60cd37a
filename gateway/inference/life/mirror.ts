import { asGatewayError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BatchAnswer, TensorAnswer, TensorRequest, WindowBatch } from '../../ports/inference.ts';
import { CallWork } from '../call-work.ts';
import { checkedInputs } from '../calls.ts';
import type { Model } from '../model.ts';
import { checkWindows, WindowWork } from '../window-work.ts';
import type { Terms, Work } from '../work.ts';
import { type Closeness, compareBatches, compareTensors } from './compare.ts';
import type { Outcomes } from './outcomes.ts';

/** A comparison that comes later than this is not worth waiting for. */
const PATIENCE_MS = 30_000;
/** Bytes of copies that wait. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Answers that say that the shadow had no time, and nothing about it. */
const NO_TIME: ReadonlySet<string> = new Set(['DEADLINE', 'QUEUE_FULL', 'STOPPING']);

export interface MirrorOptions {
  readonly clock: Clock;
  readonly tolerance: Closeness;
  readonly maxWaiting: number;
  submit(work: Work): void;
}

/** Where the result of a comparison goes. */
export interface Judgement {
  readonly outcomes: Outcomes;
  judge(): void;
}

/**
 * Gives a shadow copies of what the live version has answered and compares. Bounded: what is too much is left out. The
 * shadow has a host of its own and the lowest priority, so nobody waits for it.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  #waiting = 0;
  #bytes = 0;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  windows(shadow: Model, batch: WindowBatch, live: BatchAnswer, { outcomes, judge }: Judgement): void {
    const { length } = batch.windows;
    const bytes = length * batch.rows * batch.columns * 8;
    if (!this.#enter(length, bytes, outcomes)) return;
    try {
      // The caller may use its windows again; states are made anew with each answer.
      const copy = { ...batch, windows: batch.windows.map((window) => window.slice()) };
      checkWindows(shadow, copy);
      const work = new WindowWork(shadow, copy, this.#terms(), (found) => {
        this.#leave(length, bytes);
        for (const { from, to, computeUs } of found.parts)
          for (let i = from; i < to; i++) outcomes.answered(computeUs);
        for (const { index, code, message } of found.failures) {
          if (NO_TIME.has(code)) outcomes.skipped++;
          else if (!live.failures.some((failure) => failure.index === index))
            outcomes.failed(`${code}: ${message}`);
        }
        compareBatches(found, live, this.#options.tolerance, ({ agrees, difference }) =>
          outcomes.compare(agrees, difference),
        );
        judge();
      });
      this.#options.submit(work);
    } catch (error) {
      this.#failed(length, bytes, error, { outcomes, judge });
    }
  }

  call(
    shadow: Model,
    request: TensorRequest,
    live: Extract<TensorAnswer, { ok: true }>,
    { outcomes, judge }: Judgement,
  ): void {
    // State of a sequence is the live version's own.
    if (request.sequence) {
      outcomes.skipped++;
      return;
    }
    try {
      const inputs = checkedInputs(shadow, request.inputs);
      const options = { outputs: Object.keys(live.outputs), state: undefined };
      let bytes = 0;
      const work = new CallWork(shadow, inputs, options, this.#terms(), ({ answer: found }) => {
        this.#leave(1, bytes);
        if (found.ok) {
          outcomes.answered(found.computeUs);
          const { agrees, difference } = compareTensors(found, live, this.#options.tolerance);
          outcomes.compare(agrees, difference);
        } else if (NO_TIME.has(found.code)) outcomes.skipped++;
        else outcomes.failed(`${found.code}: ${found.message}`);
        judge();
      });
      bytes = work.unitBytes;
      if (work.rows > shadow.maxBatch) outcomes.skipped++;
      else if (this.#enter(1, bytes, outcomes)) this.#options.submit(work);
    } catch (error) {
      this.#failed(0, 0, error, { outcomes, judge });
    }
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

  #failed(count: number, bytes: number, error: unknown, { outcomes, judge }: Judgement): void {
    this.#leave(count, bytes);
    const { code, message } = asGatewayError(error);
    outcomes.failed(`${code}: ${message}`);
    judge();
  }
}

import type { ModelAnswer, ModelInput } from '../ports/inference.ts';
import type { Bundle } from './bundle.ts';
import { emptyStats, type ModelStats } from './model-stats.ts';
import type { ModelPlan } from './plan.ts';

/** One call of `run`, waiting for its answers. */
export class Submission {
  readonly items: readonly ModelInput[];
  /** Monotonic ms. */
  readonly since: number;
  readonly deadline: number;
  /** First item that has not been taken into a batch. */
  next = 0;
  readonly #answers: (ModelAnswer | undefined)[];
  readonly #resolve: (answers: ModelAnswer[]) => void;
  #open: number;

  constructor(
    items: readonly ModelInput[],
    since: number,
    deadline: number,
    resolve: (answers: ModelAnswer[]) => void,
  ) {
    this.items = items;
    this.since = since;
    this.deadline = deadline;
    this.#answers = new Array(items.length);
    this.#open = items.length;
    this.#resolve = resolve;
  }

  answered(index: number): boolean {
    return this.#answers[index] !== undefined;
  }

  /** The first answer to an item counts; the last one to come resolves the call. */
  answer(index: number, answer: ModelAnswer): void {
    if (this.#answers[index] !== undefined) return;
    this.#answers[index] = answer;
    if (--this.#open === 0) this.#resolve(this.#answers as ModelAnswer[]);
  }
}

/** One item of a submission. */
export interface Place {
  readonly submission: Submission;
  readonly index: number;
}

/** A bundle as the gateway runs it: its queue, its counters and where it is loaded. */
export class Model {
  readonly bundle: Bundle;
  readonly plan: ModelPlan;
  /** `name@version`. */
  readonly key: string;
  /** The same in every host. */
  readonly handle: number;
  readonly stats: ModelStats = emptyStats();
  /** Submissions with items that are in no batch yet, oldest first. */
  readonly queue: Submission[] = [];
  /** Items in `queue` that are in no batch yet. */
  waiting = 0;

  constructor(bundle: Bundle, plan: ModelPlan, handle: number) {
    this.bundle = bundle;
    this.plan = plan;
    this.key = `${bundle.manifest.name}@${bundle.manifest.version}`;
    this.handle = handle;
  }

  fail(place: Place, code: string, message: string): void {
    if (place.submission.answered(place.index)) return;
    this.stats.failures[code] = (this.stats.failures[code] ?? 0) + 1;
    place.submission.answer(place.index, { ok: false, code, message });
  }

  /**
   * Takes the next items that fit in one run: at most the batch limit, all of one size. Items whose deadline has
   * passed are answered on the way.
   */
  take(now: number): Place[] {
    const { maxBatch } = this.bundle.manifest.limits;
    const places: Place[] = [];
    let first: ModelInput | undefined;
    let most = maxBatch;
    while (this.queue.length > 0) {
      const submission = this.queue[0]!;
      while (submission.next < submission.items.length && places.length < most) {
        const index = submission.next;
        const item = submission.items[index]!;
        if (!submission.answered(index)) {
          if (first && (item.rows !== first.rows || item.columns !== first.columns)) return places;
          if (submission.deadline <= now) {
            this.fail(
              { submission, index },
              'DEADLINE',
              `waited ${Math.round(now - submission.since)} ms for ${this.key}`,
            );
          } else {
            if (!first) {
              first = item;
              most = Math.min(maxBatch, this.#fitting(item));
            }
            places.push({ submission, index });
          }
        }
        submission.next++;
        this.waiting--;
      }
      if (submission.next < submission.items.length) return places;
      this.queue.shift();
    }
    return places;
  }

  /** Items of this size whose tensors stay within the limit. */
  #fitting(item: ModelInput): number {
    return Math.max(1, Math.floor(this.plan.maxTensorBytes / Math.max(1, item.rows * item.columns * 8)));
  }
}

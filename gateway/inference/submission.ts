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

  /** Moves `next` over items that have their answer already. */
  skipAnswered(): void {
    while (this.next < this.items.length && this.#answers[this.next] !== undefined) this.next++;
  }

  /** End (exclusive) of the unanswered items of one size that begin at `from`, at most `most` of them. */
  run(from: number, most: number): number {
    const first = this.items[from]!;
    const end = Math.min(this.items.length, from + most);
    let to = from + 1;
    while (to < end && this.#answers[to] === undefined && sameSize(this.items[to]!, first)) to++;
    return to;
  }

  /** The first answer to an item counts; the last one to come resolves the call. */
  answer(index: number, answer: ModelAnswer): void {
    if (this.#answers[index] !== undefined) return;
    this.#answers[index] = answer;
    if (--this.#open === 0) this.#resolve(this.#answers as ModelAnswer[]);
  }
}

/** Neighbouring items of one submission. */
export interface Segment {
  readonly submission: Submission;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export function countOf(segments: readonly Segment[]): number {
  let count = 0;
  for (const { from, to } of segments) count += to - from;
  return count;
}

/** Message of a missed deadline. */
export const late = (model: Model, submission: Submission, now: number): string =>
  `waited ${Math.round(now - submission.since)} ms for ${model.key}`;

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

  /** Counts a batch that goes out now. */
  noteDispatch(segments: readonly Segment[], now: number): void {
    const { stats } = this;
    for (const { submission, from, to } of segments) {
      const queued = now - submission.since;
      stats.queueMs += queued * (to - from);
      stats.queueMaxMs = Math.max(stats.queueMaxMs, queued);
    }
    stats.largestBatch = Math.max(stats.largestBatch, countOf(segments));
  }

  /** Answers one item with a code. */
  fail(submission: Submission, index: number, code: string, message: string): void {
    if (submission.answered(index)) return;
    this.stats.failures[code] = (this.stats.failures[code] ?? 0) + 1;
    submission.answer(index, { ok: false, code, message });
  }

  /** Answers everything of a submission that is in no batch yet; it leaves the queue when its turn comes. */
  failRest(submission: Submission, code: string, message: string): void {
    for (let index = submission.next; index < submission.items.length; index++)
      this.fail(submission, index, code, message);
  }

  /**
   * Takes the next items that fit in one run: at most the batch limit, all of one size. Items whose deadline has
   * passed are answered on the way.
   */
  take(now: number): Segment[] {
    const maxBatch = this.plan.batched ? this.bundle.manifest.limits.maxBatch : 1;
    const segments: Segment[] = [];
    let first: ModelInput | undefined;
    let room = maxBatch;
    while (room > 0) {
      const submission = this.queue[0];
      if (!submission) break;
      if (submission.deadline <= now)
        this.failRest(
          submission,
          'DEADLINE',
          `waited ${Math.round(now - submission.since)} ms for ${this.key}`,
        );
      const begin = submission.next;
      submission.skipAnswered();
      const from = submission.next;
      const item = submission.items[from];
      if (item) {
        if (first && !sameSize(item, first)) break;
        if (!first) {
          first = item;
          room = Math.min(room, this.#fitting(item));
        }
        const to = submission.run(from, room);
        submission.next = to;
        room -= to - from;
        segments.push({ submission, from, to });
      }
      this.waiting -= submission.next - begin;
      if (submission.next === submission.items.length) this.queue.shift();
    }
    return segments;
  }

  /** Items of this size whose tensors stay within the limit. */
  #fitting(item: ModelInput): number {
    return Math.max(1, Math.floor(this.plan.maxTensorBytes / Math.max(1, item.rows * item.columns * 8)));
  }
}

const sameSize = (a: ModelInput, b: ModelInput): boolean => a.rows === b.rows && a.columns === b.columns;

import type { Priority } from '../ports/inference.ts';
import type { Model } from './model.ts';
import { Draft, Queue } from './queue.ts';
import type { Work } from './work.ts';

/** Shares of compute time while all have work. The first goes first whenever it has not had its share. */
const SHARES: Readonly<Record<Priority, number>> = { pipeline: 64, interactive: 8, bulk: 1 };
const PRIORITIES = Object.keys(SHARES) as Priority[];

/** Head start, by its share, of a priority that had nothing: 64 ms of compute for pipelines, 8 ms for callers who wait. */
const HEAD_START = 1000;

/** Bytes of inputs that wait in one priority. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Part of a queue that one account may fill. */
const ACCOUNT_PART = 4;
/** A run longer than this makes all others wait: batches of slow models stay below it. */
const MAX_RUN_US = 20_000;

export interface QueuesOptions {
  /** Most rows waiting in one priority before callers from outside are refused. */
  readonly maxWaiting: number;
}

/** Everything that waits for models: a queue per priority, taken in weighted turns. */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #queues: Readonly<Record<Priority, Queue>> = {
    pipeline: new Queue(),
    interactive: new Queue(),
    bulk: new Queue(),
  };
  /** Compute time each priority has had, by its share. The lowest goes next. */
  readonly #had: Record<Priority, number> = { pipeline: 0, interactive: 0, bulk: 0 };

  constructor(options: QueuesOptions) {
    this.#options = options;
  }

  get rows(): number {
    let sum = 0;
    for (const priority of PRIORITIES) sum += this.#queues[priority].rows;
    return sum;
  }

  rowsOf(priority: Priority): number {
    return this.#queues[priority].rows;
  }

  /** Why no more fits; undefined when a call may wait. What comes alone always may. */
  refuses({ priority, account, asks, rows, unitBytes }: Work): string | undefined {
    const queue = this.#queues[priority];
    if (queue.rows === 0 || asks === 0) return undefined;
    // Pipelines bound themselves; ten times the limit is one that does not.
    const most = this.#options.maxWaiting * (priority === 'pipeline' ? 10 : 1);
    if (queue.rows + asks > most) return `${queue.rows} rows are waiting for models`;
    if (priority === 'pipeline') return undefined;
    if (queue.bytes + (unitBytes / Math.max(1, rows)) * asks > MAX_BYTES)
      return `${queue.bytes} bytes are waiting for models`;
    const own = queue.rowsOf(account);
    if (own > 0 && own + asks > most / ACCOUNT_PART)
      return `${own} rows of this account are waiting for models`;
    return undefined;
  }

  add(work: Work, now: number): void {
    const queue = this.#queues[work.priority];
    if (queue.rows === 0) this.#join(work.priority);
    if (work.model.waiting === 0) work.model.gatherSince = now;
    queue.add(work);
  }

  /** Who had nothing goes first, but is not owed all the time the others took meanwhile. */
  #join(priority: Priority): void {
    let least = Number.POSITIVE_INFINITY;
    for (const other of PRIORITIES) {
      if (this.#queues[other].rows > 0) least = Math.min(least, this.#had[other]);
    }
    if (least < Number.POSITIVE_INFINITY)
      this.#had[priority] = Math.max(this.#had[priority], least - HEAD_START);
  }

  /**
   * The next run: of the priority whose turn it is, filled up with what others have for the same model. Undefined when
   * no model is due. Units whose time is up are answered on the way, so it may be empty.
   */
  draft(due: (model: Model) => boolean, now: number): Draft | undefined {
    const order = PRIORITIES.toSorted((a, b) => this.#had[a] - this.#had[b]);
    for (const priority of order) {
      const model = this.#queues[priority].next(due);
      if (!model) continue;
      const draft = new Draft(model, roomOf(model));
      this.#fill(draft, priority, now);
      for (const other of PRIORITIES) {
        if (other !== priority && !draft.full && this.#queues[other].rows > 0) this.#fill(draft, other, now);
      }
      return draft;
    }
    return undefined;
  }

  #fill(draft: Draft, priority: Priority, now: number): void {
    const before = draft.rows;
    this.#queues[priority].fill(draft, now);
    this.#had[priority] += ((draft.rows - before) * Math.max(1, draft.model.rowUs)) / SHARES[priority];
  }

  /** Answers what waits past its deadline; returns the next deadline. */
  expire(now: number): number {
    return Math.min(...PRIORITIES.map((priority) => this.#queues[priority].expire(now)));
  }

  /** Answers everything that waits for a model, or for any, with a code. */
  fail(code: string, message: string, only?: Model): void {
    for (const priority of PRIORITIES) this.#queues[priority].fail(code, message, only);
  }
}

/** Most rows of the next run of a model. */
export function roomOf({ maxBatch, rowUs }: Model): number {
  if (rowUs === 0) return maxBatch;
  return Math.max(1, Math.min(maxBatch, Math.floor(MAX_RUN_US / rowUs)));
}

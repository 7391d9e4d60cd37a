import type { Priority } from '../ports/inference.ts';
import { Draft } from './draft.ts';
import type { Model } from './model.ts';
import { Queue } from './queue.ts';
import type { Work } from './work.ts';

/** Shares of compute time while all have work. The first goes first whenever it has not had its share. */
const SHARES: Readonly<Record<Priority, number>> = { pipeline: 64, interactive: 8, bulk: 1 };
const ALL_SHARES = SHARES.pipeline + SHARES.interactive + SHARES.bulk;

/** What is taken in turns: what accounts that rent a share ask for, whatever its priority, and the rest by priority. */
type Line = Priority | 'rented';
const LINES: readonly Line[] = ['rented', 'pipeline', 'interactive', 'bulk'];
/** Never is all of a machine rented. */
const MOST_RENTED = 95;

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
  /** Percent of the compute time that accounts have for themselves whenever they need it. */
  readonly rents?: ReadonlyMap<string, number> | undefined;
}

/**
 * Everything that waits for models: a queue per priority and one of those who rent, taken in weighted turns. What nobody who rents
 * needs the others get.
 */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #rents: ReadonlyMap<string, number>;
  readonly #shares: Readonly<Record<Line, number>>;
  readonly #queues: Readonly<Record<Line, Queue>>;
  /** Compute time each line has had, by its share. The lowest goes next. */
  readonly #had: Record<Line, number> = { rented: 0, pipeline: 0, interactive: 0, bulk: 0 };

  constructor(options: QueuesOptions) {
    this.#options = options;
    this.#rents = options.rents ?? new Map();
    let rented = 0;
    for (const percent of this.#rents.values()) rented += percent;
    rented = Math.min(rented, MOST_RENTED);
    // Beside all others this is the rented part of the whole.
    this.#shares = { ...SHARES, rented: Math.max(1, (ALL_SHARES * rented) / (100 - rented)) };
    const mean = rented / Math.max(1, this.#rents.size);
    this.#queues = {
      rented: new Queue((account) => (this.#rents.get(account) ?? mean) / mean),
      pipeline: new Queue(),
      interactive: new Queue(),
      bulk: new Queue(),
    };
  }

  #lineOf({ account, priority }: Work): Line {
    return this.#rents.has(account) ? 'rented' : priority;
  }

  get rows(): number {
    let sum = 0;
    for (const line of LINES) sum += this.#queues[line].rows;
    return sum;
  }

  rowsOf(priority: Priority): number {
    return this.#queues[priority].rows;
  }

  /** Why no more fits; undefined when a call may wait. What comes alone always may. */
  refuses(work: Work): string | undefined {
    const { priority, account, asks, rows, unitBytes } = work;
    const queue = this.#queues[this.#lineOf(work)];
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
    const line = this.#lineOf(work);
    const queue = this.#queues[line];
    if (queue.rows === 0) this.#join(line);
    if (work.model.waiting === 0) work.model.gatherSince = now;
    queue.add(work);
  }

  /** Who had nothing goes first, but is not owed all the time the others took meanwhile. */
  #join(line: Line): void {
    let least = Number.POSITIVE_INFINITY;
    for (const other of LINES) {
      if (this.#queues[other].rows > 0) least = Math.min(least, this.#had[other]);
    }
    if (least < Number.POSITIVE_INFINITY) this.#had[line] = Math.max(this.#had[line], least - HEAD_START);
  }

  /**
   * The next run: of the line whose turn it is, filled up with what others have for the same model. Undefined when
   * no model is due. Units whose time is up are answered on the way, so it may be empty.
   */
  draft(due: (model: Model) => boolean, now: number): Draft | undefined {
    const order = LINES.toSorted((a, b) => this.#had[a] - this.#had[b]);
    for (const line of order) {
      const model = this.#queues[line].next(due);
      if (!model) continue;
      const draft = new Draft(model, roomOf(model));
      this.#fill(draft, line, now);
      for (const other of LINES) {
        if (other !== line && !draft.full && this.#queues[other].rows > 0) this.#fill(draft, other, now);
      }
      return draft;
    }
    return undefined;
  }

  #fill(draft: Draft, line: Line, now: number): void {
    const before = draft.rows;
    this.#queues[line].fill(draft, now);
    this.#had[line] += ((draft.rows - before) * Math.max(1, draft.model.rowUs)) / this.#shares[line];
  }

  /** Answers what waits past its deadline; returns the next deadline. */
  expire(now: number): number {
    return Math.min(...LINES.map((line) => this.#queues[line].expire(now)));
  }

  /** Answers everything that waits for a model, or for any, with a code. */
  fail(code: string, message: string, only?: Model): void {
    for (const line of LINES) this.#queues[line].fail(code, message, only);
  }
}

/** Most rows of the next run of a model. */
export function roomOf({ maxBatch, rowUs }: Model): number {
  if (rowUs === 0) return maxBatch;
  return Math.max(1, Math.min(maxBatch, Math.floor(MAX_RUN_US / rowUs)));
}

import type { Draft } from './draft.ts';
import type { Model } from './model.ts';
import { failUnit, late, type Segment, type Work } from './work.ts';

/** What one account has waiting, and what it has had. */
class Account {
  readonly name: string;
  /** Microseconds of compute it may still take in this turn; below 0 when it took more than its share. */
  credit = 0;
  readonly lines = new Map<Model, Work[]>();
  /** Rows waiting. */
  rows = 0;
  /** How much it gets beside others; 1 unless shares are set. */
  readonly weight: number;

  constructor(name: string, weight: number) {
    this.name = name;
    this.weight = weight;
  }

  /** Whether nothing would be lost by forgetting it. */
  get idle(): boolean {
    return this.lines.size === 0 && this.credit >= 0;
  }
}

/** Accounts that have nothing but a debt are forgotten when they are more, and nothing waits at all. */
const MAX_DEBTORS = 256;

/**
 * What waits in one priority: first come, first served within an account and a model; deficit round robin, counted in
 * compute time, between accounts. An account that has had more than its share keeps its debt while it has nothing.
 */
export class Queue {
  readonly #accounts = new Map<string, Account>();
  #ring: Account[] = [];
  #turn = 0;
  rows = 0;
  bytes = 0;
  readonly #weightOf: (account: string) => number;
  /** Turns whose credit an account keeps: with weights a light one that fills a run of its own model takes several at once. */
  readonly #kept: number;

  constructor(weightOf?: (account: string) => number) {
    this.#weightOf = weightOf ?? (() => 1);
    this.#kept = weightOf ? 64 : 1;
  }

  rowsOf(account: string): number {
    return this.#accounts.get(account)?.rows ?? 0;
  }

  add(work: Work): void {
    let account = this.#accounts.get(work.account);
    if (!account) {
      account = new Account(work.account, this.#weightOf(work.account));
      this.#accounts.set(work.account, account);
      this.#ring.push(account);
    }
    const line = account.lines.get(work.model);
    if (line) line.push(work);
    else account.lines.set(work.model, [work]);
    this.#count(account, work, 1);
  }

  /** The model of the account whose turn it is; one that is not due lets the next account go first. */
  next(due: (model: Model) => boolean): Model | undefined {
    if (this.rows === 0) return undefined;
    let instead: Model | undefined;
    for (let i = 0; i < this.#ring.length; i++) {
      const account = this.#ring[(this.#turn + i) % this.#ring.length]!;
      for (const model of account.lines.keys()) {
        if (!due(model)) continue;
        if (account.credit > 0) return model;
        instead ??= model;
        break;
      }
    }
    return instead;
  }

  /** Adds to a draft what waits for its model, in turns. */
  fill(draft: Draft, now: number): void {
    const { model } = draft;
    const cost = Math.max(1, model.rowUs);
    const candidates = new Set(this.#ring.filter((account) => account.lines.has(model)));
    const quantum = cost * Math.max(1, Math.floor(draft.room / Math.max(1, candidates.size)));
    while (!draft.full && candidates.size > 0) {
      this.#grant(candidates, quantum);
      const from = this.#turn;
      const { length } = this.#ring;
      for (let i = 0; i < length && !draft.full; i++) {
        const account = this.#ring[(from + i) % length]!;
        if (account.credit <= 0 || !candidates.has(account)) continue;
        this.#turn = (from + i + 1) % length;
        if (!this.#serve(account, draft, cost, now)) candidates.delete(account);
      }
    }
    this.#tidy();
  }

  /** Raises everyone alike, by weight, so that somebody of those who can go on has credit. */
  #grant(candidates: ReadonlySet<Account>, quantum: number): void {
    let best = Number.NEGATIVE_INFINITY;
    for (const { credit, weight } of candidates) best = Math.max(best, credit / weight);
    if (best > 0) return;
    const raise = quantum - best;
    for (const account of this.#ring) {
      const most = this.#kept * quantum * account.weight;
      account.credit = Math.min(most, account.credit + raise * account.weight);
    }
  }

  /** Lets an account use its credit; returns whether it may go on when it gets more. */
  #serve(account: Account, draft: Draft, cost: number, now: number): boolean {
    const line = account.lines.get(draft.model)!;
    for (let work = line[0]; work; work = line[0]) {
      this.#skip(account, work, now);
      if (work.next < work.units) {
        if (account.credit <= 0) return true;
        const rows = draft.take(work, Math.ceil(account.credit / cost));
        if (rows === 0) return false;
        account.credit -= Math.max(1, rows) * cost;
        this.#discount(account, work, draft.segments.at(-1)!);
      }
      if (work.next < work.units) continue;
      line.shift();
    }
    account.lines.delete(draft.model);
    return false;
  }

  /** Moves over units that have their answer, or whose time is up. */
  #skip(account: Account, work: Work, now: number): void {
    const from = work.next;
    if (work.deadline <= now) {
      for (let unit = from; unit < work.units; unit++) failUnit(work, unit, 'DEADLINE', late(work, now));
    }
    while (work.next < work.units && work.answered(work.next)) work.next++;
    if (work.next > from) this.#discount(account, work, { work, from, to: work.next });
  }

  #discount(account: Account, work: Work, { from, to }: Segment): void {
    const units = to - from;
    const rows = units * work.rows;
    account.rows -= rows;
    this.rows -= rows;
    this.bytes -= units * work.unitBytes;
    work.model.waiting -= rows;
  }

  #count(account: Account, work: Work, sign: 1 | -1): void {
    const rows = (work.units - work.next) * work.rows * sign;
    account.rows += rows;
    this.rows += rows;
    this.bytes += (work.units - work.next) * work.unitBytes * sign;
    work.model.waiting += rows;
  }

  /** Answers what waits past its deadline; returns the next deadline. */
  expire(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    this.#filter(
      (work) => {
        if (work.deadline > now) next = Math.min(next, work.deadline);
        return work.deadline > now;
      },
      (work) => {
        for (let unit = work.next; unit < work.units; unit++)
          failUnit(work, unit, 'DEADLINE', late(work, now));
      },
    );
    return next;
  }

  /** Answers everything that waits for a model, or for any, with a code. */
  fail(code: string, message: string, only?: Model): void {
    this.#filter(
      (work) => only !== undefined && work.model !== only,
      (work) => {
        for (let unit = work.next; unit < work.units; unit++) failUnit(work, unit, code, message);
      },
    );
  }

  #filter(keep: (work: Work) => boolean, drop: (work: Work) => void): void {
    for (const account of this.#ring) {
      for (const [model, line] of account.lines) {
        const gone = line.filter((work) => !keep(work));
        if (gone.length === 0) continue;
        const rest = line.filter((work) => keep(work));
        if (rest.length === 0) account.lines.delete(model);
        else account.lines.set(model, rest);
        for (const work of gone) {
          this.#count(account, work, -1);
          drop(work);
        }
      }
    }
    this.#tidy();
  }

  /** Forgets accounts that have nothing and owe nothing. */
  #tidy(): void {
    const all = this.rows === 0 && this.#ring.length > MAX_DEBTORS;
    if (!all && !this.#ring.some((account) => account.idle)) return;
    const kept: Account[] = [];
    let turn = 0;
    this.#ring.forEach((account, i) => {
      if (i === this.#turn) turn = kept.length;
      if (account.lines.size > 0 || !(all || account.idle)) kept.push(account);
      else this.#accounts.delete(account.name);
    });
    this.#ring = kept;
    this.#turn = turn;
  }
}

import type { DatabaseSync } from 'node:sqlite';
import type { StoreModule } from '../store/types.ts';
import { all, one, run } from './statements.ts';

/**
 * The ledger of requests inside the writer thread. A request is open from its acceptance until its answer commits;
 * then its row moves to the answers, which are kept for repetitions within bounds, oldest out first.
 */

export interface AcceptArgs {
  readonly account: string;
  readonly id: string;
  /** SHA-256 of what was asked. */
  readonly hash: Uint8Array;
  /** Epoch ms. */
  readonly accepted: number;
  readonly deadline: number;
  /** JSON of what is needed to run it again, beside the body. */
  readonly call: string;
  readonly body: Uint8Array;
}

export interface StoredAnswer {
  /** JSON: code, message, headerBytes. */
  readonly meta: string;
  readonly body: Uint8Array;
}

export type Acceptance =
  | { readonly state: 'new' | 'conflict' }
  /** Taken in before a crash and not answered yet. */
  | { readonly state: 'open'; readonly row: OpenRow }
  | { readonly state: 'answered'; readonly answer: StoredAnswer };

export interface AnswerArgs extends StoredAnswer {
  readonly account: string;
  readonly id: string;
  readonly hash: Uint8Array;
  readonly now: number;
  /** Answers before this are removed; 0 when the time is not known. */
  readonly before: number;
  readonly maxAnswers: number;
  readonly maxBytes: number;
  /** JSON of where it still has to be sent; absent: nowhere. */
  readonly owed?: string;
}

export interface OpenRow {
  readonly seq: number;
  readonly account: string;
  readonly id: string;
  readonly hash: Uint8Array;
  readonly accepted: number;
  readonly deadline: number;
  readonly call: string;
  readonly body: Uint8Array;
}

export interface OwedRow extends StoredAnswer {
  readonly account: string;
  readonly id: string;
  readonly owed: string;
}

export interface LedgerCounts {
  readonly open: number;
  readonly answers: number;
  readonly owed: number;
}

type Key = Pick<AcceptArgs, 'account' | 'id'>;

/** Rows removed with one answer: what a commit may cost is bounded, and more than one keeps ahead of what comes. */
const PRUNE = 16;
/** What a row takes beside its blobs, roughly. */
const ROW_BYTES = 200;

const MIGRATIONS = [
  `CREATE TABLE serving_open (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL,
     accepted INTEGER NOT NULL, deadline INTEGER NOT NULL, call TEXT NOT NULL, body BLOB NOT NULL,
     UNIQUE (account, id));
   CREATE TABLE serving_answers (
     seq INTEGER PRIMARY KEY, account TEXT NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL, answered INTEGER NOT NULL,
     meta TEXT NOT NULL, body BLOB NOT NULL, owed TEXT, bytes_to INTEGER NOT NULL,
     UNIQUE (account, id));
   CREATE INDEX serving_owed ON serving_answers (seq) WHERE owed IS NOT NULL;`,
];

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Takes a request in, unless its id is known. */
function accept(db: DatabaseSync, args: AcceptArgs): Acceptance {
  const { account, id, hash } = args;
  const answered = one<StoredAnswer & { hash: Uint8Array }>(
    db,
    'SELECT hash, meta, body FROM serving_answers WHERE account = ? AND id = ?',
    account,
    id,
  );
  if (answered) {
    const { meta, body } = answered;
    return same(answered.hash, hash) ? { state: 'answered', answer: { meta, body } } : { state: 'conflict' };
  }
  const open = one<OpenRow>(db, 'SELECT * FROM serving_open WHERE account = ? AND id = ?', account, id);
  if (open) return same(open.hash, hash) ? { state: 'open', row: open } : { state: 'conflict' };
  run(
    db,
    'INSERT INTO serving_open (account, id, hash, accepted, deadline, call, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[account, id, hash, args.accepted, args.deadline, args.call, args.body],
  );
  return { state: 'new' };
}

interface Place {
  readonly seq: number;
  readonly bytes_to: number;
}

/** Closes a request with the answer that is kept. */
function answer(db: DatabaseSync, args: AnswerArgs): void {
  forget(db, args);
  const before = one<Place>(db, 'SELECT seq, bytes_to FROM serving_answers ORDER BY seq DESC LIMIT 1');
  const bytes = args.body.length + args.meta.length + args.id.length * 2 + ROW_BYTES;
  const place = { seq: (before?.seq ?? 0) + 1, bytes_to: (before?.bytes_to ?? 0) + bytes };
  const { account, id, hash, now, meta, body, owed } = args;
  run(
    db,
    'INSERT INTO serving_answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[place.seq, account, id, hash, now, meta, body, owed ?? null, place.bytes_to],
  );
  prune(db, args, place);
}

/** Removes the oldest answers: those beyond the bounds, but never the newest of all. */
function prune(db: DatabaseSync, args: AnswerArgs, newest: Place): void {
  let last = 0;
  for (const row of all<Place & { answered: number }>(
    db,
    'SELECT seq, answered, bytes_to FROM serving_answers ORDER BY seq LIMIT ?',
    PRUNE,
  )) {
    const surplus =
      newest.seq - row.seq >= args.maxAnswers ||
      newest.bytes_to - row.bytes_to > args.maxBytes ||
      row.answered < args.before;
    if (row.seq === newest.seq || !surplus) break;
    last = row.seq;
  }
  if (last > 0) run(db, 'DELETE FROM serving_answers WHERE seq <= ?', last);
}

/** Closes a request without keeping an answer: it had no id of its own, or may be sent again. */
function forget(db: DatabaseSync, { account, id }: Key): void {
  run(db, 'DELETE FROM serving_open WHERE account = ? AND id = ?', account, id);
}

/** The broker has taken the answer. */
function delivered(db: DatabaseSync, { account, id }: Key): void {
  run(db, 'UPDATE serving_answers SET owed = NULL WHERE account = ? AND id = ?', account, id);
}

/** Open requests in the order of their acceptance. */
const open = (db: DatabaseSync, args: { readonly after: number; readonly limit: number }): OpenRow[] =>
  all(db, 'SELECT * FROM serving_open WHERE seq > ? ORDER BY seq LIMIT ?', args.after, args.limit);

/** Answers that still have to be sent, oldest first. */
const owed = (db: DatabaseSync, args: { readonly limit: number }): OwedRow[] =>
  all(
    db,
    'SELECT account, id, meta, body, owed FROM serving_answers WHERE owed IS NOT NULL ORDER BY seq LIMIT ?',
    args.limit,
  );

/** How many there are, for people and tests. */
const counts = (db: DatabaseSync): LedgerCounts =>
  one<LedgerCounts>(
    db,
    `SELECT (SELECT count(*) FROM serving_open) AS open, (SELECT count(*) FROM serving_answers) AS answers,
       (SELECT count(*) FROM serving_answers WHERE owed IS NOT NULL) AS owed`,
  )!;

export const storeModule: StoreModule = {
  name: 'serving',
  migrations: MIGRATIONS,
  ops: { accept, answer, forget, delivered },
  queries: { open, owed, counts },
};

import type { DatabaseSync } from 'node:sqlite';
import { all, one, run } from './statements.ts';

export interface PruneArgs {
  /** Receipts stored before this time (ms) may go. */
  readonly before: number;
  /** Receipts removed in one step. */
  readonly limit: number;
}

/**
 * `billing.prune`: removes old receipts from the front of each book, as far as the chain holds them for good; books
 * without a chain go by age alone. What only served them goes too: trees, signed heads, attempts that lost. Numbers,
 * totals and the newest hash of each channel stay, so nothing about later receipts changes. Answers how many went.
 */
export function prune(db: DatabaseSync, args: PruneArgs): number {
  let removed = 0;
  const books = all<{ id: number; chain_id: number }>(db, 'SELECT id, chain_id FROM billing_books');
  for (const book of books) {
    const { first, last } = rangeToGo(db, book, args.before, args.limit - removed);
    if (first === null || last === null) continue;
    rememberLinks(db, book.id, last);
    removed += run(db, 'DELETE FROM billing_receipts WHERE book = ? AND ordinal <= ?', book.id, last);
    forgetHeads(db, book.id);
    forgetBatches(db, book.id, first, last);
  }
  return removed;
}

function rangeToGo(
  db: DatabaseSync,
  book: { id: number; chain_id: number },
  before: number,
  limit: number,
): { first: number | null; last: number | null } {
  const settled =
    book.chain_id === 0
      ? Number.MAX_SAFE_INTEGER
      : one<{ last: number }>(
          db,
          `SELECT to_ordinal AS last FROM billing_batches WHERE book = ? AND state = 'FINAL'
           ORDER BY to_ordinal DESC LIMIT 1`,
          book.id,
        )?.last;
  const sql = `SELECT min(ordinal) AS first, max(ordinal) AS last FROM (SELECT ordinal, created_at FROM billing_receipts
    WHERE book = ? AND ordinal <= ? ORDER BY ordinal LIMIT ?) WHERE created_at < ?`;
  return one<{ first: number | null; last: number | null }>(db, sql, book.id, settled ?? 0, limit, before)!;
}

/** The first receipt that stays must still show which one it follows. */
function rememberLinks(db: DatabaseSync, book: number, last: number): void {
  const ends = all<{ channel: number; seq: number; hash: Uint8Array }>(
    db,
    'SELECT channel, max(seq) AS seq, hash FROM billing_receipts WHERE book = ? AND ordinal <= ? GROUP BY channel',
    book,
    last,
  );
  for (const { channel, seq, hash } of ends)
    run(db, 'UPDATE billing_channels SET pruned_seq = ?, pruned_hash = ? WHERE id = ?', seq, hash, channel);
}

/** The newest head of a channel stays, whatever is left of it. */
function forgetHeads(db: DatabaseSync, book: number): void {
  run(
    db,
    `DELETE FROM billing_heads WHERE channel IN (SELECT id FROM billing_channels WHERE book = ?)
       AND seq < (SELECT signed_seq FROM billing_channels c WHERE c.id = billing_heads.channel)
       AND seq < coalesce((SELECT min(seq) FROM billing_receipts r WHERE r.channel = billing_heads.channel), ?)`,
    book,
    Number.MAX_SAFE_INTEGER,
  );
}

/**
 * Trees go with the last of their receipts, and so do transactions. The batches that are final stay: should a chain lose
 * them, they are signed and sent again.
 */
function forgetBatches(db: DatabaseSync, book: number, first: number, last: number): void {
  const gone = 'SELECT id FROM billing_batches WHERE book = ? AND to_ordinal BETWEEN ? AND ?';
  run(db, `DELETE FROM billing_trees WHERE batch IN (${gone})`, book, first, last);
  run(db, `DELETE FROM billing_txs WHERE batch IN (${gone})`, book, first, last);
  run(db, `DELETE FROM billing_batches WHERE id IN (${gone} AND state <> 'FINAL')`, book, first, last);
}

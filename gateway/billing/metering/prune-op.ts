import type { DatabaseSync } from 'node:sqlite';
import { all, one, run } from '../statements.ts';
import { FULL, settledTo, space } from './space.ts';

export interface PruneArgs {
  /** Receipts stored before this time (ms) may go. */
  readonly before: number;
  /** What all receipts may take, bytes: the oldest go until there is room. */
  readonly maxBytes: number;
  /** Receipts removed in one step. */
  readonly limit: number;
}

interface Gone {
  readonly first: number;
  readonly last: number;
  readonly count: number;
}

/** Batches that stay after their receipts, per book. */
const BATCHES_KEPT = 4_096;

/**
 * `billing.prune`: removes receipts that are old, or the oldest when all together take too much room, from the front of
 * each book and as far as the chain holds them for good; books without a chain go by age and room alone. What only served
 * them goes too: trees, signed heads, attempts that lost. Numbers, totals and the newest hash of each channel stay, so
 * nothing about later receipts changes. Answers how many went.
 */
export function prune(db: DatabaseSync, args: PruneArgs): number {
  let removed = 0;
  const books = all<{ id: number; chain_id: number }>(db, 'SELECT id, chain_id FROM billing_books');
  for (const book of books) {
    const excess = space(db, args).bytes - args.maxBytes * FULL;
    const gone = rangeToGo(db, book, args.before, excess, args.limit - removed);
    if (!gone) continue;
    rememberLinks(db, book.id, gone.last);
    run(db, 'DELETE FROM billing_receipts WHERE book = ? AND ordinal <= ?', book.id, gone.last);
    run(db, 'UPDATE billing_books SET pruned = ? WHERE id = ?', gone.last, book.id);
    forgetBatches(db, book.id, gone);
    removed += gone.count;
  }
  return removed;
}

function rangeToGo(
  db: DatabaseSync,
  book: { id: number; chain_id: number },
  before: number,
  excess: number,
  limit: number,
): Gone | undefined {
  const oldest = one<{ bytes_to: number }>(
    db,
    'SELECT bytes_to FROM billing_receipts WHERE book = ? ORDER BY ordinal LIMIT 1',
    book.id,
  );
  if (!oldest) return undefined;
  const gone = one<Gone>(
    db,
    `SELECT min(ordinal) AS first, max(ordinal) AS last, count(*) AS count FROM
       (SELECT ordinal, created_at, bytes_to FROM billing_receipts WHERE book = ? AND ordinal <= ? ORDER BY ordinal LIMIT ?)
     WHERE created_at < ? OR bytes_to < ?`,
    book.id,
    settledTo(db, book),
    limit,
    before,
    oldest.bytes_to + excess,
  )!;
  return gone.count > 0 ? gone : undefined;
}

/**
 * The first receipt that stays must still show which one it follows. Heads go with their receipts, but for the newest
 * of a channel.
 */
function rememberLinks(db: DatabaseSync, book: number, last: number): void {
  const ends = all<{ channel: number; seq: number; hash: Uint8Array }>(
    db,
    'SELECT channel, max(seq) AS seq, hash FROM billing_receipts WHERE book = ? AND ordinal <= ? GROUP BY channel',
    book,
    last,
  );
  for (const { channel, seq, hash } of ends) {
    run(db, 'UPDATE billing_channels SET pruned_seq = ?, pruned_hash = ? WHERE id = ?', seq, hash, channel);
    run(db, 'DELETE FROM billing_marks WHERE channel = ? AND seq <= ?', channel, seq);
    run(db, 'DELETE FROM billing_places WHERE channel = ? AND seq <= ?', channel, seq);
    run(
      db,
      `DELETE FROM billing_heads WHERE channel = ?1 AND seq <= ?2
         AND seq < (SELECT signed_seq FROM billing_channels WHERE id = ?1)`,
      channel,
      seq,
    );
  }
}

/**
 * Trees go with the last of their receipts, and so do transactions and attempts that lost. The newest of the batches that
 * are final stay: should a chain lose them, they are signed and sent again.
 */
function forgetBatches(db: DatabaseSync, book: number, { first, last }: Gone): void {
  const gone = 'SELECT id FROM billing_batches WHERE book = ? AND to_ordinal BETWEEN ? AND ?';
  run(db, `DELETE FROM billing_trees WHERE batch IN (${gone})`, book, first, last);
  run(db, `DELETE FROM billing_txs WHERE batch IN (${gone})`, book, first, last);
  run(db, `DELETE FROM billing_batches WHERE id IN (${gone} AND state <> 'FINAL')`, book, first, last);
  run(
    db,
    `DELETE FROM billing_batches WHERE id IN (
       SELECT b.id FROM billing_batches b WHERE b.book = ?1 AND b.to_ordinal <= ?2 AND b.state = 'FINAL'
         AND NOT EXISTS (SELECT 1 FROM billing_txs t WHERE t.batch = b.id)
         AND NOT EXISTS (SELECT 1 FROM billing_trees t WHERE t.batch = b.id)
       ORDER BY b.id LIMIT max(0, (SELECT count(*) FROM billing_batches WHERE book = ?1 AND to_ordinal <= ?2) - ?3))`,
    book,
    last,
    BATCHES_KEPT,
  );
}

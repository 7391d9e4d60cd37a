import type { DatabaseSync } from 'node:sqlite';
import { all, one } from '../statements.ts';

/**
 * How much room billing takes, and what follows from it. Sizes are sums of row sizes kept in `bytes_to`, a little on the
 * high side, so that all of this is a handful of look-ups at any size.
 */

/** Room for receipts where the configuration names none: a few months of a small gateway, and fine for an SD card. */
export const DEFAULT_MAX_BYTES: number = 256 * 1024 * 1024;

/** One receipt beyond its texts: three hashes, numbers, the row in the index, pages that are not quite full. */
const ROW_BYTES = 210;
/** A signed head. */
export const HEAD_BYTES = 110;
/** A receipt's share of its batch's Merkle tree: two nodes and a place. */
export const LEAF_BYTES = 68;
/** A batch and a transaction, with their indexes. */
const BATCH_BYTES = 1_500;
/** A use that waits for the time. */
const PENDING_BYTES = 500;

/** Size of a receipt with this key and these texts: the key is stored twice. */
export const receiptBytes = (key: string, texts: number): number =>
  ROW_BYTES + Buffer.byteLength(key) * 2 + texts;

export interface Space {
  /** Taken by all receipts with what belongs to them. */
  readonly bytes: number;
  /** The part of receipts that no final batch of their ledger holds: never removed. */
  readonly waitingBytes: number;
  readonly waiting: number;
  /** How long, ms, uses of an account and model are added up before they become a receipt; 0: not at all. */
  readonly slotMs: number;
}

interface Edge {
  readonly ordinal: number;
  readonly bytes_to: number;
}

const EDGE = 'SELECT ordinal, bytes_to FROM billing_receipts WHERE book = ?';

/** `billing.space` */
export function space(db: DatabaseSync, args: { maxBytes: number }): Space {
  let bytes = span(db, 'billing_batches') * BATCH_BYTES + span(db, 'billing_pending') * PENDING_BYTES;
  for (const { id } of all<{ id: number }>(db, 'SELECT id FROM billing_books')) {
    const newest = one<Edge>(db, `${EDGE} ORDER BY ordinal DESC LIMIT 1`, id);
    const oldest = one<Edge>(db, `${EDGE} ORDER BY ordinal LIMIT 1`, id);
    if (newest && oldest) bytes += newest.bytes_to - oldest.bytes_to + ROW_BYTES;
  }
  return { bytes, ...backlog(db, args.maxBytes) };
}

/** Receipts that wait for the chain, over all books of a ledger, and what follows for new ones. */
export function backlog(db: DatabaseSync, maxBytes: number): Omit<Space, 'bytes'> {
  let waitingBytes = 0;
  let waiting = 0;
  const sql = 'SELECT id, chain_id, pruned FROM billing_books WHERE chain_id <> 0';
  for (const book of all<{ id: number; chain_id: number; pruned: number }>(db, sql)) {
    const newest = one<Edge>(db, `${EDGE} ORDER BY ordinal DESC LIMIT 1`, book.id);
    if (!newest) continue;
    const from = Math.max(settledTo(db, book), book.pruned);
    const settled = one<Edge>(db, `${EDGE} AND ordinal = ?`, book.id, from);
    const oldest = () => one<Edge>(db, `${EDGE} ORDER BY ordinal LIMIT 1`, book.id)!;
    waitingBytes += newest.bytes_to - (settled ?? oldest()).bytes_to;
    waiting += newest.ordinal - from;
  }
  return { waitingBytes, waiting, slotMs: slotOf(waitingBytes / maxBytes) };
}

/** Rows of a table whose ids grow: its span, which gaps make larger than the count. */
function span(db: DatabaseSync, table: 'billing_batches' | 'billing_pending'): number {
  const sql = `SELECT (SELECT max(id) FROM ${table}) - (SELECT min(id) FROM ${table}) + 1 AS rows`;
  return one<{ rows: number | null }>(db, sql)?.rows ?? 0;
}

/** Ordinal up to which the receipts of a book may go: those that the chain holds for good, or all without a chain. */
export function settledTo(db: DatabaseSync, book: { id: number; chain_id: number }): number {
  if (book.chain_id === 0) return Number.MAX_SAFE_INTEGER;
  const sql = `SELECT to_ordinal AS last FROM billing_batches WHERE book = ? AND state = 'FINAL'
    ORDER BY to_ordinal DESC LIMIT 1`;
  return one<{ last: number }>(db, sql, book.id)?.last ?? 0;
}

/** Receipts that wait for the chain are money: they are never removed, so there must be fewer of them. */
function slotOf(filled: number): number {
  if (filled < 1 / 2) return 0;
  if (filled < 3 / 4) return 60_000;
  return filled < FULL ? 3_600_000 : Number.MAX_SAFE_INTEGER;
}

/** The rest is for what is written between two looks. */
export const FULL: number = 15 / 16;

/** Whether uses that wait for the time take so much room that further ones are added up. */
export const pendingIsLong = (db: DatabaseSync, maxBytes: number): boolean =>
  span(db, 'billing_pending') * PENDING_BYTES > maxBytes / 8;

import type { DatabaseSync } from 'node:sqlite';
import { HEAD_EVERY } from './limits.ts';
import type { BookKey } from './metering-ops.ts';
import { type BatchRow, findBook, type TxRow } from './outbox-ops.ts';
import { all, one } from './statements.ts';

/** Read-only looks at channels, receipts and batches. They also run on a database that no gateway has open. */

export interface UnsignedHead {
  readonly channel: number;
  readonly channel_id: Uint8Array;
  readonly seq: number;
  readonly cumulative: string;
  readonly hash: Uint8Array;
}

/** `billing.unsigned`: heads to sign: each multiple of {@link HEAD_EVERY}, and the newest receipt of each channel. */
export function unsigned(db: DatabaseSync, args: { book: BookKey; limit: number }): UnsignedHead[] {
  const book = findBook(db, args.book);
  if (!book) return [];
  return all<UnsignedHead>(
    db,
    `SELECT c.id AS channel, c.channel_id, r.seq, r.cumulative, r.hash
     FROM billing_channels c JOIN billing_receipts r ON r.channel = c.id AND r.seq > c.signed_seq
     WHERE c.book = ? AND c.signed_seq < c.seq AND (r.seq % ${HEAD_EVERY} = 0 OR r.seq = c.seq)
     ORDER BY c.id, r.seq LIMIT ?`,
    book.id,
    args.limit,
  );
}

/** `billing.waiting`: whether uses wait for the time to be known. */
export function waiting(db: DatabaseSync, args: { book: BookKey }): boolean {
  const book = findBook(db, args.book);
  if (!book) return false;
  const sql =
    'SELECT 1 AS found FROM billing_pending p JOIN billing_channels c ON c.id = p.channel WHERE c.book = ? LIMIT 1';
  return one(db, sql, book.id) !== undefined;
}

export interface ReceiptRow {
  readonly book: number;
  readonly ordinal: number;
  readonly channel: number;
  readonly seq: number;
  readonly request_id: string;
  readonly request_sha: Uint8Array;
  readonly answer_sha: Uint8Array;
  readonly tariff_hash: Uint8Array;
  readonly model_hash: Uint8Array;
  readonly usage: string;
  readonly started_at: number;
  readonly compute_us: number;
  readonly amount: string;
  readonly cumulative: string;
  readonly hash: Uint8Array;
  readonly created_at: number;
}

export interface ListFilter {
  /** Receipts older than this one: `book` and `ordinal` of the last one seen. */
  readonly before?: { readonly book: number; readonly ordinal: number };
  readonly account?: string;
  /** At most 1000. */
  readonly limit?: number;
}

export interface ListedRow extends ReceiptRow {
  readonly account: string;
  readonly model: string;
  readonly state: BatchRow['state'] | null;
}

/** `billing.list`: newest first, over all books. */
export function list(db: DatabaseSync, filter: ListFilter): ListedRow[] {
  return all<ListedRow>(
    db,
    `SELECT r.*, c.account, p.text AS model,
       coalesce(
         (SELECT b.state FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.state IN ('MINED', 'FINAL') ORDER BY b.to_ordinal LIMIT 1),
         (SELECT b.state FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.from_ordinal <= r.ordinal ORDER BY b.id DESC LIMIT 1)) AS state
     FROM billing_receipts r JOIN billing_channels c ON c.id = r.channel JOIN billing_preimages p ON p.hash = r.model_hash
     WHERE (r.book, r.ordinal) < (?, ?) AND coalesce(?, c.account) = c.account
     ORDER BY r.book DESC, r.ordinal DESC LIMIT ?`,
    filter.before?.book ?? Number.MAX_SAFE_INTEGER,
    filter.before?.ordinal ?? 0,
    filter.account ?? null,
    Math.min(Math.max(1, filter.limit ?? 50), 1000),
  );
}

export interface Evidence {
  readonly book: { chain_id: number; ledger: string; device: string; salt: Uint8Array };
  readonly channel: { channel_id: Uint8Array; account: string; config: string };
  readonly tariff: string;
  /** The receipt, then those after it up to the signed head. */
  readonly receipts: readonly (ReceiptRow & { model: string })[];
  readonly prevHash: Uint8Array | null;
  readonly head: { seq: number; signature: Uint8Array } | null;
  readonly batch: (BatchRow & { proof: Uint8Array[] }) | null;
  readonly tx: Omit<TxRow, 'raw'> | null;
}

/**
 * `billing.evidence`: everything that proves one receipt. `id` is a request id, or `book:ordinal` as lists show it.
 * With several receipts of one request id (in different channels) the newest is meant.
 */
export function evidence(db: DatabaseSync, args: { id: string }): Evidence | null {
  const receipt = findReceipt(db, args.id);
  if (!receipt) return null;
  const head = one<{ seq: number; signature: Uint8Array }>(
    db,
    'SELECT seq, signature FROM billing_heads WHERE channel = ? AND seq >= ? ORDER BY seq LIMIT 1',
    receipt.channel,
    receipt.seq,
  );
  const receipts = all<ReceiptRow & { model: string }>(
    db,
    `SELECT r.*, p.text AS model FROM billing_receipts r JOIN billing_preimages p ON p.hash = r.model_hash
     WHERE r.channel = ? AND r.seq BETWEEN ? AND ? ORDER BY r.seq`,
    receipt.channel,
    receipt.seq,
    head?.seq ?? receipt.seq,
  );
  const batch = batchOf(db, receipt);
  return {
    book: one(
      db,
      'SELECT chain_id, ledger, device, salt FROM billing_books WHERE id = ?',
      receipt.book,
    ) as Evidence['book'],
    channel: one(
      db,
      'SELECT channel_id, account, config FROM billing_channels WHERE id = ?',
      receipt.channel,
    ) as Evidence['channel'],
    tariff: one<{ text: string }>(
      db,
      'SELECT text FROM billing_preimages WHERE hash = ?',
      receipt.tariff_hash,
    )!.text,
    receipts,
    prevHash: hashBefore(db, receipt),
    head: head ?? null,
    batch: batch ? { ...batch, proof: proofOf(db, batch.id, receipt.ordinal - batch.from_ordinal) } : null,
    tx: batch
      ? (one<Omit<TxRow, 'raw'>>(
          db,
          `SELECT hash, batch, nonce, max_fee, tip, signed_at, sent_at, block, gas_used FROM billing_txs
           WHERE batch = ? ORDER BY block IS NOT NULL DESC, signed_at DESC LIMIT 1`,
          batch.id,
        ) ?? null)
      : null,
  };
}

function findReceipt(db: DatabaseSync, id: string): ReceiptRow | undefined {
  const place = /^(\d{1,9}):(\d{1,15})$/.exec(id);
  if (place) {
    const sql = 'SELECT * FROM billing_receipts WHERE book = ? AND ordinal = ?';
    return one<ReceiptRow>(db, sql, Number(place[1]), Number(place[2]));
  }
  return one<ReceiptRow>(
    db,
    `SELECT r.* FROM billing_channels c JOIN billing_receipts r ON r.channel = c.id AND r.request_id = ?
     ORDER BY c.id DESC LIMIT 1`,
    id,
  );
}

/**
 * The batch a receipt is in. Those that the chain has do not overlap, so it is the first of them that ends at or after
 * the receipt; else the newest attempt that holds it.
 */
function batchOf(db: DatabaseSync, receipt: ReceiptRow): BatchRow | undefined {
  const after = 'SELECT * FROM billing_batches WHERE book = ? AND to_ordinal >= ?';
  return (
    one<BatchRow>(
      db,
      `${after} AND state IN ('MINED', 'FINAL') ORDER BY to_ordinal LIMIT 1`,
      receipt.book,
      receipt.ordinal,
    ) ??
    one<BatchRow>(
      db,
      `${after} AND from_ordinal <= ? ORDER BY id DESC LIMIT 1`,
      receipt.book,
      receipt.ordinal,
      receipt.ordinal,
    )
  );
}

/** Hash of the receipt before, also when that one was removed for its age; null for the first. */
function hashBefore(db: DatabaseSync, receipt: ReceiptRow): Uint8Array | null {
  const before = one<{ hash: Uint8Array }>(
    db,
    `SELECT hash FROM billing_receipts WHERE channel = ?1 AND seq = ?2
     UNION ALL SELECT pruned_hash FROM billing_channels WHERE id = ?1 AND pruned_seq = ?2`,
    receipt.channel,
    receipt.seq - 1,
  );
  return receipt.seq > 1 ? (before?.hash ?? null) : null;
}

/** Siblings of a leaf, cut out of the stored tree. */
function proofOf(db: DatabaseSync, batch: number, leaf: number): Uint8Array[] {
  const tree = one<{ nodes: Uint8Array; places: Uint8Array }>(
    db,
    'SELECT nodes, places FROM billing_trees WHERE batch = ?',
    batch,
  )!;
  const proof: Uint8Array[] = [];
  const places = new DataView(tree.places.buffer, tree.places.byteOffset, tree.places.length);
  for (let i = places.getUint32(leaf * 4); i > 0; i = (i - 1) >> 1) {
    const sibling = i % 2 ? i + 1 : i - 1;
    proof.push(tree.nodes.slice(sibling * 32, sibling * 32 + 32));
  }
  return proof;
}

export interface BooksRow {
  readonly chain_id: number;
  readonly ledger: string;
  readonly device: string;
  readonly receipts: number;
  readonly total: string;
  readonly posted: number;
  readonly final: number;
  readonly pending: number;
  readonly channels: number;
}

/** `billing.books`: totals per book, for status and metrics. */
export function books(db: DatabaseSync): BooksRow[] {
  return all<BooksRow>(
    db,
    `SELECT b.chain_id, b.ledger, b.device, b.receipts, b.total,
       coalesce((SELECT to_ordinal FROM billing_batches x WHERE x.book = b.id AND x.state IN ('MINED', 'FINAL') ORDER BY to_ordinal DESC LIMIT 1), 0) AS posted,
       coalesce((SELECT to_ordinal FROM billing_batches x WHERE x.book = b.id AND x.state = 'FINAL' ORDER BY to_ordinal DESC LIMIT 1), 0) AS final,
       (SELECT count(*) FROM billing_pending p JOIN billing_channels c ON c.id = p.channel WHERE c.book = b.id) AS pending,
       (SELECT count(*) FROM billing_channels c WHERE c.book = b.id) AS channels
     FROM billing_books b ORDER BY b.id`,
  );
}

/** `billing.batches`: newest first, with the transaction that is or may be in the chain. */
export function batches(
  db: DatabaseSync,
  args: { limit?: number },
): (BatchRow & { tx: Uint8Array | null })[] {
  return all(
    db,
    `SELECT b.*, (SELECT t.hash FROM billing_txs t WHERE t.batch = b.id
       ORDER BY t.block IS NOT NULL DESC, t.signed_at DESC LIMIT 1) AS tx
     FROM billing_batches b ORDER BY b.id DESC LIMIT ?`,
    Math.min(Math.max(1, args.limit ?? 20), 1000),
  );
}

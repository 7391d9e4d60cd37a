import type { DatabaseSync } from 'node:sqlite';
import { type BookKey, findBook, totalOf } from '../book-rows.ts';
import { requestId, requestKey } from '../metering/request-key.ts';
import { backlog } from '../metering/space.ts';
import { sumsEnded } from '../metering/sums.ts';
import { type BatchRow, rangeOf, type TxRow } from '../posting/outbox-ops.ts';
import { type PackedTree, packTree } from '../posting/tree-builder.ts';
import { all, one } from '../statements.ts';

/** Read-only looks at channels, receipts and batches. They also run on a database that no gateway has open. */

export interface UnsignedHead {
  readonly channel: number;
  readonly channel_id: Uint8Array;
  readonly seq: number;
  readonly cumulative: string;
  readonly hash: Uint8Array;
}

/** `billing.unsigned`: heads to sign: each multiple of HEAD_EVERY, and the newest receipt of each channel. */
export function unsigned(db: DatabaseSync, args: { book: BookKey; limit: number }): UnsignedHead[] {
  const book = findBook(db, args.book);
  if (!book) return [];
  return all<UnsignedHead>(
    db,
    `SELECT c.id AS channel, c.channel_id, m.seq, r.cumulative, r.hash
     FROM billing_channels c JOIN billing_marks m ON m.channel = c.id
       JOIN billing_receipts r ON r.book = c.book AND r.ordinal = m.ordinal
     WHERE c.book = ?1 AND m.seq > c.signed_seq AND m.seq < c.seq
     UNION ALL SELECT id, channel_id, seq, cumulative, last_hash FROM billing_channels
     WHERE book = ?1 AND signed_seq < seq
     ORDER BY channel, seq LIMIT ?2`,
    book.id,
    args.limit,
  );
}

/** `billing.waiting`: whether uses wait for the time to be known, or sums for becoming receipts. */
export function waiting(db: DatabaseSync, args: { book: BookKey; maxBytes: number; now: number }): boolean {
  const book = findBook(db, args.book);
  if (!book) return false;
  const sql =
    'SELECT 1 AS found FROM billing_pending p JOIN billing_channels c ON c.id = p.channel WHERE c.book = ? LIMIT 1';
  return (
    one(db, sql, book.id) !== undefined || sumsEnded(db, book.id, args.now, backlog(db, args.maxBytes).slotMs)
  );
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
  /** Canonical JSON of what names the model. */
  readonly model: string;
  readonly usage: string;
  readonly started_at: number;
  readonly compute_us: number;
  readonly amount: string;
  readonly cumulative: string;
  readonly hash: Uint8Array;
  readonly created_at: number;
  /** Ordinal of the channel's receipt before; 0 for the first. */
  readonly before: number;
}

/** A row as it is stored. */
type StoredRow = Omit<ReceiptRow, 'request_id'> & { readonly request_key: string };

/** Rows of {@link ReceiptRow}, but for the request id. */
const COLUMNS = `r.book, r.ordinal, r.channel, r.seq, r.request_key, r.request_sha, r.answer_sha, t.hash AS tariff_hash,
  m.text AS model, r.usage, r.started_at, r.compute_us, r.amount, r.cumulative, r.hash, r.created_at, r.before`;
const TEXTS = 'JOIN billing_preimages t ON t.id = r.tariff JOIN billing_preimages m ON m.id = r.model';

const withId = <T extends { readonly request_key: string }>({
  request_key,
  ...row
}: T): Omit<T, 'request_key'> & { readonly request_id: string } => ({
  ...row,
  request_id: requestId(request_key),
});

export interface ListFilter {
  /** Receipts older than this one: `book` and `ordinal` of the last one seen. */
  readonly before?: { readonly book: number; readonly ordinal: number };
  readonly account?: string;
  /** At most 1000. */
  readonly limit?: number;
}

export interface ListedRow extends ReceiptRow {
  readonly account: string;
  readonly state: BatchRow['state'] | null;
}

/** `billing.list`: newest first, over all books. */
export function list(db: DatabaseSync, filter: ListFilter): ListedRow[] {
  return all<StoredRow & { account: string; state: BatchRow['state'] | null }>(
    db,
    `SELECT ${COLUMNS}, c.account,
       coalesce(
         (SELECT b.state FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.state IN ('MINED', 'FINAL') ORDER BY b.to_ordinal LIMIT 1),
         (SELECT b.state FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.from_ordinal <= r.ordinal ORDER BY b.id DESC LIMIT 1)) AS state
     FROM billing_receipts r JOIN billing_channels c ON c.id = r.channel ${TEXTS}
     WHERE (r.book, r.ordinal) < (?, ?) AND coalesce(?, c.account) = c.account
     ORDER BY r.book DESC, r.ordinal DESC LIMIT ?`,
    filter.before?.book ?? Number.MAX_SAFE_INTEGER,
    filter.before?.ordinal ?? 0,
    filter.account ?? null,
    Math.min(Math.max(1, filter.limit ?? 50), 1000),
  ).map(withId);
}

export interface ExportFilter {
  /** The last one seen. */
  readonly after?: { readonly book: number; readonly ordinal: number };
  readonly account?: string;
  /** Epoch ms of `startedAt`: from (inclusive), to (exclusive). */
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

export interface ExportedRow extends ListedRow {
  readonly device: string;
  readonly chain_id: number;
  readonly tx: Uint8Array | null;
}

/** `billing.exported`: receipts of a period with their batch's transaction, oldest first, over all books. */
export function exported(db: DatabaseSync, filter: ExportFilter): ExportedRow[] {
  return all<Omit<ExportedRow, 'request_id'> & { request_key: string }>(
    db,
    `SELECT ${COLUMNS}, c.account, k.device, k.chain_id, b.state,
       (SELECT x.hash FROM billing_txs x WHERE x.batch = b.id
          ORDER BY x.block IS NOT NULL DESC, x.signed_at DESC LIMIT 1) AS tx
     FROM billing_receipts r JOIN billing_channels c ON c.id = r.channel JOIN billing_books k ON k.id = r.book ${TEXTS}
       LEFT JOIN billing_batches b ON b.id = coalesce(
         (SELECT b.id FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.state IN ('MINED', 'FINAL') ORDER BY b.to_ordinal LIMIT 1),
         (SELECT b.id FROM billing_batches b WHERE b.book = r.book AND b.to_ordinal >= r.ordinal
            AND b.from_ordinal <= r.ordinal ORDER BY b.id DESC LIMIT 1))
     WHERE (r.book, r.ordinal) > (?, ?) AND coalesce(?, c.account) = c.account
       AND r.started_at >= ? AND r.started_at < ?
     ORDER BY r.book, r.ordinal LIMIT ?`,
    filter.after?.book ?? 0,
    filter.after?.ordinal ?? 0,
    filter.account ?? null,
    filter.from,
    filter.to,
    Math.min(Math.max(1, filter.limit), 1000),
  ).map(withId);
}

export interface FedRow extends ReceiptRow {
  readonly account: string;
}

/** `billing.after`: receipts beyond the given ordinal of each book, oldest first within a book. */
export function after(
  db: DatabaseSync,
  args: { readonly fed: readonly (readonly [book: number, ordinal: number])[]; readonly limit: number },
): FedRow[] {
  const fed = new Map(args.fed);
  const rows: FedRow[] = [];
  for (const { id } of all<{ id: number }>(db, 'SELECT id FROM billing_books ORDER BY id')) {
    const found = all<StoredRow & { account: string }>(
      db,
      `SELECT ${COLUMNS}, c.account FROM billing_receipts r JOIN billing_channels c ON c.id = r.channel ${TEXTS}
       WHERE r.book = ? AND r.ordinal > ? ORDER BY r.ordinal LIMIT ?`,
      id,
      fed.get(id) ?? 0,
      args.limit - rows.length,
    );
    rows.push(...found.map(withId));
    if (rows.length >= args.limit) break;
  }
  return rows;
}

export interface Evidence {
  readonly book: { chain_id: number; ledger: string; device: string; salt: Uint8Array };
  readonly channel: { channel_id: Uint8Array; account: string; config: string };
  readonly tariff: string;
  /** The receipt, then those after it up to the signed head. */
  readonly receipts: readonly ReceiptRow[];
  readonly prevHash: Uint8Array | null;
  readonly head: { seq: number; signature: Uint8Array } | null;
  /** `proof` is null when the batch's tree can no longer be made: its first receipts are gone. */
  readonly batch: (BatchRow & { proof: Uint8Array[] | null }) | null;
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
  // Ordered by ordinal and cut off by number, so that no more is read than lies between the receipt and its head.
  const receipts = all<StoredRow>(
    db,
    `SELECT ${COLUMNS} FROM billing_receipts r ${TEXTS}
     WHERE r.book = ? AND r.ordinal >= ? AND r.channel = ? ORDER BY r.ordinal LIMIT ?`,
    receipt.book,
    receipt.ordinal,
    receipt.channel,
    (head?.seq ?? receipt.seq) - receipt.seq + 1,
  ).map(withId);
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
    batch: batch ? { ...batch, proof: proofOf(db, batch, receipt) } : null,
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
  const place = placeOf(id);
  const found = place
    ? one<StoredRow>(
        db,
        `SELECT ${COLUMNS} FROM billing_receipts r ${TEXTS} WHERE r.book = ? AND r.ordinal = ?`,
        place.book,
        place.ordinal,
      )
    : one<StoredRow>(
        db,
        `SELECT ${COLUMNS} FROM billing_channels c JOIN billing_receipts r ON r.channel = c.id AND r.request_key = ? ${TEXTS}
         ORDER BY c.id DESC LIMIT 1`,
        requestKey(id),
      );
  return found && withId(found);
}

/** Book and ordinal of a receipt's place as lists show it (`book:ordinal`). */
export function placeOf(id: string): { book: number; ordinal: number } | undefined {
  const place = /^(\d{1,9}):(\d{1,15})$/.exec(id);
  return place ? { book: Number(place[1]), ordinal: Number(place[2]) } : undefined;
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

/** Hash of the receipt before, also when that one was removed; null for the first. */
function hashBefore(db: DatabaseSync, receipt: ReceiptRow): Uint8Array | null {
  if (receipt.before === 0) return null;
  const before = one<{ hash: Uint8Array }>(
    db,
    `SELECT hash FROM billing_receipts WHERE book = ?1 AND ordinal = ?2
     UNION ALL SELECT pruned_hash FROM billing_channels WHERE id = ?3 AND pruned_seq = ?4`,
    receipt.book,
    receipt.before,
    receipt.channel,
    receipt.seq - 1,
  );
  return before?.hash ?? null;
}

/** Siblings of a leaf, cut out of the stored tree, or of one made again when an attempt won that another had replaced. */
function proofOf(db: DatabaseSync, batch: BatchRow, receipt: ReceiptRow): Uint8Array[] | null {
  const stored = one<{ nodes: Uint8Array; places: Uint8Array }>(
    db,
    'SELECT nodes, places FROM billing_trees WHERE batch = ?',
    batch.id,
  );
  const tree = stored ?? treeAgain(db, batch);
  if (!tree) return null;
  const proof: Uint8Array[] = [];
  const places = new DataView(tree.places.buffer, tree.places.byteOffset, tree.places.length);
  const leaf = receipt.ordinal - batch.from_ordinal;
  for (let i = places.getUint32(leaf * 4); i > 0; i = (i - 1) >> 1) {
    const sibling = i % 2 ? i + 1 : i - 1;
    proof.push(tree.nodes.slice(sibling * 32, sibling * 32 + 32));
  }
  return proof;
}

function treeAgain(db: DatabaseSync, batch: BatchRow): PackedTree | undefined {
  const rows = rangeOf(db, batch.book, batch.from_ordinal, batch.to_ordinal);
  return rows.length === batch.to_ordinal - batch.from_ordinal + 1 ? packTree(rows) : undefined;
}

export interface BooksRow {
  readonly id: number;
  readonly chain_id: number;
  readonly ledger: string;
  readonly device: string;
  /** Made, all time. */
  readonly receipts: number;
  /** Removed, oldest first. */
  readonly pruned: number;
  /** When the oldest one that is kept was stored, epoch ms; null when none is. */
  readonly since: number | null;
  readonly total: string;
  readonly posted: number;
  readonly final: number;
  readonly pending: number;
  readonly channels: number;
}

/** `billing.books`: totals per book, for status and metrics. */
export function books(db: DatabaseSync): BooksRow[] {
  return all<Omit<BooksRow, 'total'>>(
    db,
    `SELECT b.id, b.chain_id, b.ledger, b.device, b.pruned,
       coalesce((SELECT max(ordinal) FROM billing_receipts r WHERE r.book = b.id), b.pruned) AS receipts,
       (SELECT created_at FROM billing_receipts r WHERE r.book = b.id ORDER BY ordinal LIMIT 1) AS since,
       coalesce((SELECT to_ordinal FROM billing_batches x WHERE x.book = b.id AND x.state IN ('MINED', 'FINAL') ORDER BY to_ordinal DESC LIMIT 1), 0) AS posted,
       coalesce((SELECT to_ordinal FROM billing_batches x WHERE x.book = b.id AND x.state = 'FINAL' ORDER BY to_ordinal DESC LIMIT 1), 0) AS final,
       (SELECT count(*) FROM billing_pending p JOIN billing_channels c ON c.id = p.channel WHERE c.book = b.id) AS pending,
       (SELECT count(*) FROM billing_channels c WHERE c.book = b.id) AS channels
     FROM billing_books b ORDER BY b.id`,
  ).map((book) => ({ ...book, total: String(totalOf(db, book.id)) }));
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

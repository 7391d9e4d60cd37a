import type { DatabaseSync } from 'node:sqlite';
import { type BookKey, findBook, newestOf, openBook } from '../book-rows.ts';
import { sameBytes, ZERO_WORD } from '../formats/bytes.ts';
import { all, one, run } from '../statements.ts';

/** The outbox of batches: what the poster reads and what it writes. The rows say what was tried; the chain says what is. */

export type BatchState = 'SEALED' | 'SIGNED' | 'SENT' | 'MINED' | 'FINAL';

/** A sealed range of receipts that builds on one head. Several may build on the same; the chain takes one of them. */
export interface BatchRow {
  readonly id: number;
  readonly book: number;
  readonly from_ordinal: number;
  readonly to_ordinal: number;
  readonly total: string;
  readonly root: Uint8Array;
  readonly prev_head: Uint8Array;
  readonly head: Uint8Array;
  /** The device's EIP-712 signature over the batch. */
  readonly signature: Uint8Array;
  readonly state: BatchState;
  readonly sealed_at: number;
}

export interface TxRow {
  readonly hash: Uint8Array;
  readonly batch: number;
  readonly nonce: number;
  readonly max_fee: string;
  readonly tip: string;
  readonly raw: Uint8Array;
  readonly signed_at: number;
  readonly sent_at: number | null;
  readonly block: number | null;
  readonly gas_used: number | null;
}

/** A transaction with what it posts. */
export interface InFlight extends TxRow {
  readonly prev_head: Uint8Array;
  readonly to_ordinal: number;
}

/** What the chain said, as the writer thread needs it. */
export interface OutboxArgs {
  readonly book: BookKey;
  readonly head: Uint8Array;
  readonly finalHead: Uint8Array | null;
  readonly toSeq: number;
  readonly nonce: number;
}

export interface Outbox {
  /** Receipts of the book. */
  readonly receipts: number;
  /** Receipts that are no longer kept: up to this ordinal no batch can be made. */
  readonly pruned: number;
  /** When the oldest receipt beyond the chain's head was stored; null when there is none. */
  readonly oldestAt: number | null;
  /** Whether the chain's head is a batch of this book (or none yet). */
  readonly knownHead: boolean;
  /** Batches that build on the chain's head, the largest first. */
  readonly next: readonly BatchRow[];
  /** The newest transaction with the given nonce. */
  readonly inFlight: InFlight | null;
  /** States that no longer agree with the chain. */
  readonly drift: readonly Drift[];
  /** A transaction of a mined batch whose block is not noted yet. */
  readonly unnoted: readonly Uint8Array[];
}

export interface Drift {
  readonly id: number;
  readonly from: BatchState;
  readonly to: BatchState;
}

const BATCH = 'SELECT * FROM billing_batches WHERE book = ?';

/** `billing.outbox` */
export function outbox(db: DatabaseSync, args: OutboxArgs): Outbox | null {
  const book = findBook(db, args.book);
  if (!book) return null;
  const oldest = one<{ created_at: number }>(
    db,
    'SELECT created_at FROM billing_receipts WHERE book = ? AND ordinal = ?',
    book.id,
    args.toSeq + 1,
  );
  const inFlight = one<InFlight>(
    db,
    `SELECT t.*, b.prev_head, b.to_ordinal FROM billing_txs t JOIN billing_batches b ON b.id = t.batch
     WHERE b.book = ? AND t.nonce = ? ORDER BY length(t.max_fee) DESC, t.max_fee DESC LIMIT 1`,
    book.id,
    args.nonce,
  );
  return {
    receipts: newestOf(db, book).ordinal,
    pruned: book.pruned,
    oldestAt: oldest?.created_at ?? null,
    knownHead: sameBytes(args.head, ZERO_WORD) || byHead(db, book.id, args.head) !== undefined,
    // The plus keeps SQLite from walking the whole book by to_ordinal.
    next: all<BatchRow>(
      db,
      `${BATCH} AND prev_head = ? ORDER BY +to_ordinal DESC LIMIT 8`,
      book.id,
      args.head,
    ),
    inFlight: inFlight ?? null,
    drift: driftOf(db, book.id, args),
    unnoted: all<{ hash: Uint8Array }>(
      db,
      `SELECT t.hash FROM billing_txs t JOIN billing_batches b ON b.id = t.batch
       WHERE b.id IN (SELECT id FROM billing_batches WHERE book = ?1 AND state = 'MINED'
                      UNION SELECT id FROM (SELECT id FROM billing_batches ORDER BY id DESC LIMIT 4))
         AND b.book = ?1 AND b.state IN ('MINED', 'FINAL') AND t.nonce < ?2
         AND NOT EXISTS (SELECT 1 FROM billing_txs n WHERE n.batch = b.id AND n.block IS NOT NULL)
       ORDER BY t.signed_at DESC LIMIT 16`,
      book.id,
      args.nonce,
    ).map((row) => row.hash),
  };
}

/**
 * Batches on the way back from the chain's head are MINED, those back from its final head FINAL; a batch that claims
 * so and lies on neither way was taken back by the chain and is only SENT.
 */
function driftOf(db: DatabaseSync, book: number, args: OutboxArgs): Drift[] {
  const changes: Drift[] = [];
  const mined = new Set<number>();
  const passed = wayBack(db, book, args.head, (batch) => batch.state === 'FINAL');
  for (const batch of passed) {
    mined.add(batch.id);
    if (batch.state !== 'MINED' && batch.state !== 'FINAL')
      changes.push({ id: batch.id, from: batch.state, to: 'MINED' });
  }
  if (args.finalHead) {
    for (const batch of wayBack(db, book, args.finalHead, (b) => b.state === 'FINAL')) {
      if (batch.state !== 'FINAL') changes.push({ id: batch.id, from: batch.state, to: 'FINAL' });
    }
  }
  const claimed = all<BatchRow>(
    db,
    `${BATCH} AND state = 'MINED' UNION ALL ${BATCH} AND to_ordinal > ? AND state = 'FINAL'`,
    book,
    book,
    args.toSeq,
  );
  for (const batch of claimed)
    if (!mined.has(batch.id)) changes.push({ id: batch.id, from: batch.state, to: 'SENT' });
  return changes;
}

/** Batches from `head` back to the first, or to the one at which `stop` holds (included). */
function wayBack(
  db: DatabaseSync,
  book: number,
  head: Uint8Array,
  stop: (batch: BatchRow) => boolean,
): BatchRow[] {
  const way: BatchRow[] = [];
  for (let batch = byHead(db, book, head); batch; batch = byHead(db, book, batch.prev_head)) {
    way.push(batch);
    if (stop(batch)) break;
  }
  return way;
}

const byHead = (db: DatabaseSync, book: number, head: Uint8Array): BatchRow | undefined =>
  one<BatchRow>(db, `${BATCH} AND head = ?`, book, head);

/** `billing.reconcile`: brings the states in line with the chain. */
export function reconcile(db: DatabaseSync, args: OutboxArgs): readonly Drift[] {
  const book = openBook(db, args.book);
  const changes = driftOf(db, book.id, args);
  for (const change of changes) {
    run(db, 'UPDATE billing_batches SET state = ? WHERE id = ?', change.to, change.id);
    if (change.to === 'SENT')
      run(db, 'UPDATE billing_txs SET block = NULL, gas_used = NULL WHERE batch = ?', change.id);
  }
  return changes;
}

/** What the chain holds for good. */
export type FinalHead = Pick<BatchRow, 'head' | 'to_ordinal' | 'total'>;

/** `billing.finalHead`: the newest batch that is final; null when there is none. */
export function finalHead(db: DatabaseSync, args: { book: BookKey }): FinalHead | null {
  const book = findBook(db, args.book);
  const sql = `SELECT head, to_ordinal, total FROM billing_batches WHERE book = ? AND state = 'FINAL'
    ORDER BY to_ordinal DESC LIMIT 1`;
  return (book && one<FinalHead>(db, sql, book.id)) ?? null;
}

export interface RangeRow {
  readonly channel_id: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly cumulative: string;
  readonly amount: string;
}

/** `billing.range`: what the leaves of a batch are made of. */
export function range(db: DatabaseSync, args: { book: BookKey; from: number; to: number }): RangeRow[] {
  const book = findBook(db, args.book);
  return book ? rangeOf(db, book.id, args.from, args.to) : [];
}

export const rangeOf = (db: DatabaseSync, book: number, from: number, to: number): RangeRow[] =>
  all<RangeRow>(
    db,
    `SELECT c.channel_id, r.seq, r.hash, r.cumulative, r.amount
     FROM billing_receipts r JOIN billing_channels c ON c.id = r.channel
     WHERE r.book = ? AND r.ordinal BETWEEN ? AND ? ORDER BY r.ordinal`,
    book,
    from,
    to,
  );

export interface SealArgs {
  readonly book: BookKey;
  readonly from: number;
  readonly to: number;
  readonly total: string;
  readonly root: Uint8Array;
  /** All nodes of the Merkle tree, 32 bytes each, root first: a proof is then a few reads. */
  readonly nodes: Uint8Array;
  /** Place of each leaf in `nodes`, 4 bytes big-endian each, in order of ordinal. */
  readonly places: Uint8Array;
  readonly prevHead: Uint8Array;
  readonly head: Uint8Array;
  readonly signature: Uint8Array;
  readonly now: number;
}

/** `billing.seal`: fixes a range as a batch. The same batch again changes nothing. */
export function seal(db: DatabaseSync, args: SealArgs): void {
  const book = openBook(db, args.book);
  const added = run(
    db,
    `INSERT OR IGNORE INTO billing_batches
       (book, from_ordinal, to_ordinal, total, root, prev_head, head, signature, state, sealed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'SEALED', ?)`,
    book.id,
    args.from,
    args.to,
    args.total,
    args.root,
    args.prevHead,
    args.head,
    args.signature,
    args.now,
  );
  if (added === 0) return;
  const batch = byHead(db, book.id, args.head)!;
  // One tree per place in the chain: should an earlier attempt win after all, its tree follows from its receipts.
  const others = 'SELECT id FROM billing_batches WHERE book = ? AND prev_head = ?';
  run(db, `DELETE FROM billing_trees WHERE batch IN (${others})`, book.id, args.prevHead);
  run(db, 'INSERT INTO billing_trees VALUES (?, ?, ?)', batch.id, args.nodes, args.places);
}

export interface SignedArgs {
  readonly batch: number;
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
  readonly nonce: number;
  readonly maxFee: string;
  readonly tip: string;
  readonly now: number;
}

/** `billing.signed`: keeps a transaction before anyone has seen it. */
export function signed(db: DatabaseSync, args: SignedArgs): void {
  run(
    db,
    `INSERT OR IGNORE INTO billing_txs (hash, batch, nonce, max_fee, tip, raw, signed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    args.hash,
    args.batch,
    args.nonce,
    args.maxFee,
    args.tip,
    args.raw,
    args.now,
  );
  run(db, "UPDATE billing_batches SET state = 'SIGNED' WHERE id = ? AND state = 'SEALED'", args.batch);
}

/** `billing.sent`: a node has taken the transaction. */
export function sent(db: DatabaseSync, args: { hash: Uint8Array; now: number }): void {
  run(db, 'UPDATE billing_txs SET sent_at = ? WHERE hash = ? AND sent_at IS NULL', args.now, args.hash);
  run(
    db,
    `UPDATE billing_batches SET state = 'SENT'
     WHERE id = (SELECT batch FROM billing_txs WHERE hash = ?) AND state = 'SIGNED'`,
    args.hash,
  );
}

/** `billing.mined`: notes where a transaction stands in the chain. */
export function mined(
  db: DatabaseSync,
  args: { hash: Uint8Array; block: number; gasUsed: number; gasPrice?: string | null },
): void {
  run(
    db,
    'UPDATE billing_txs SET block = ?, gas_used = ?, gas_price = ? WHERE hash = ?',
    args.block,
    args.gasUsed,
    args.gasPrice ?? null,
    args.hash,
  );
}

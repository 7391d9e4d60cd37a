import type { DatabaseSync } from 'node:sqlite';
import type { BatchRow, TxRow } from '../posting/outbox-ops.ts';
import { all, one } from '../statements.ts';

/** Read-only looks at batches and accounts, for people who go from one to the other. */

export interface ListedBatch extends BatchRow {
  /** Transaction that is or may be in the chain. */
  readonly tx: Uint8Array | null;
  /** Total of the batch it builds on, `0` for the first. */
  readonly total_before: string;
}

const LISTED = `SELECT b.*,
    (SELECT t.hash FROM billing_txs t WHERE t.batch = b.id ORDER BY t.block IS NOT NULL DESC, t.signed_at DESC LIMIT 1) AS tx,
    coalesce((SELECT p.total FROM billing_batches p WHERE p.book = b.book AND p.head = b.prev_head), '0') AS total_before
  FROM billing_batches b`;

/** `billing.batchPage`: batches older than `before`, newest first. */
export function batchPage(
  db: DatabaseSync,
  args: { readonly before?: number; readonly limit: number },
): ListedBatch[] {
  return all<ListedBatch>(
    db,
    `${LISTED} WHERE b.id < ? ORDER BY b.id DESC LIMIT ?`,
    args.before ?? Number.MAX_SAFE_INTEGER,
    Math.min(Math.max(1, args.limit), 1000),
  );
}

export interface FoundBatch {
  readonly batch: ListedBatch;
  readonly book: { readonly chain_id: number; readonly ledger: string; readonly device: string };
  /** Newest first, at most 100. */
  readonly txs: readonly Omit<TxRow, 'raw'>[];
}

/** `billing.batch`: one batch with what was sent for it. */
export function batch(db: DatabaseSync, args: { readonly id: number }): FoundBatch | null {
  const found = one<ListedBatch>(db, `${LISTED} WHERE b.id = ?`, args.id);
  if (!found) return null;
  return {
    batch: found,
    book: one<FoundBatch['book']>(
      db,
      'SELECT chain_id, ledger, device FROM billing_books WHERE id = ?',
      found.book,
    )!,
    txs: all<Omit<TxRow, 'raw'>>(
      db,
      `SELECT hash, batch, nonce, max_fee, tip, signed_at, sent_at, block, gas_used FROM billing_txs
       WHERE batch = ? ORDER BY signed_at DESC LIMIT 100`,
      args.id,
    ),
  };
}

export interface AccountRow {
  readonly account: string;
  readonly receipts: number;
  readonly cumulative: string;
}

/** `billing.accounts`: channels with what each has come to, in no order. At most 10,000. */
export function accounts(db: DatabaseSync): AccountRow[] {
  return all<AccountRow>(
    db,
    'SELECT account, seq AS receipts, cumulative FROM billing_channels WHERE seq > 0 LIMIT 10000',
  );
}

/** `billing.settled`: sum of what final batches hold, over all books. */
export function settled(db: DatabaseSync): string {
  const rows = all<{ total: string }>(
    db,
    `SELECT (SELECT b.total FROM billing_batches b WHERE b.book = k.id AND b.state = 'FINAL'
       ORDER BY b.to_ordinal DESC LIMIT 1) AS total FROM billing_books k`,
  );
  return String(rows.reduce((sum, { total }) => sum + BigInt(total ?? 0), 0n));
}

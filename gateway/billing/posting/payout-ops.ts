import type { DatabaseSync } from 'node:sqlite';
import { type BookKey, findBook, openBook } from '../book-rows.ts';
import { all, one, run } from '../statements.ts';

/** Transactions that move money without a batch. As with batches, the rows say what was tried and the chain says what is. */

export interface PayoutRow {
  readonly hash: Uint8Array;
  readonly nonce: number;
  /** What it does: `settle`, `claim`, `release`. */
  readonly action: string;
  readonly max_fee: string;
  readonly tip: string;
  readonly raw: Uint8Array;
  readonly signed_at: number;
  readonly sent_at: number | null;
}

export interface PayoutSignedArgs {
  readonly book: BookKey;
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
  readonly nonce: number;
  readonly action: string;
  readonly maxFee: string;
  readonly tip: string;
  readonly now: number;
}

/** `billing.payoutSigned`: keeps a transaction before anyone has seen it. */
export function payoutSigned(db: DatabaseSync, args: PayoutSignedArgs): void {
  const book = openBook(db, args.book);
  run(
    db,
    `INSERT OR IGNORE INTO billing_payouts (hash, book, nonce, action, max_fee, tip, raw, signed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[args.hash, book.id, args.nonce, args.action, args.maxFee, args.tip, args.raw, args.now],
  );
}

/** `billing.payoutSent`: a node has taken it. */
export function payoutSent(db: DatabaseSync, args: { hash: Uint8Array; now: number }): void {
  run(db, 'UPDATE billing_payouts SET sent_at = ? WHERE hash = ? AND sent_at IS NULL', args.now, args.hash);
}

export interface PayoutMinedArgs {
  readonly hash: Uint8Array;
  /** 0: another transaction has taken its nonce. */
  readonly block: number;
  readonly gasUsed: number;
  readonly gasPrice: string | null;
  readonly succeeded: boolean;
}

/** `billing.payoutMined`: notes what became of it. */
export function payoutMined(db: DatabaseSync, args: PayoutMinedArgs): void {
  run(
    db,
    'UPDATE billing_payouts SET block = ?, gas_used = ?, gas_price = ?, succeeded = ? WHERE hash = ?',
    ...[args.block, args.gasUsed, args.gasPrice, args.succeeded ? 1 : 0, args.hash],
  );
}

export interface PayoutState {
  /** The transaction with this nonce that pays most; null when there is none. */
  readonly inFlight: PayoutRow | null;
  /** Transactions whose nonce is used and of which nothing is noted. */
  readonly unnoted: readonly PayoutRow[];
  /** When the newest transaction was signed, epoch ms; null when there is none. */
  readonly newestAt: number | null;
  /** Wei spent on fees since `since`, by both kinds of transactions; those in blocks only. */
  readonly spent: string;
}

/** `billing.payoutState` */
export function payoutState(
  db: DatabaseSync,
  args: { readonly book: BookKey; readonly nonce: number; readonly since: number },
): PayoutState {
  const book = findBook(db, args.book);
  if (!book) return { inFlight: null, unnoted: [], newestAt: null, spent: '0' };
  const inFlight = one<PayoutRow>(
    db,
    `SELECT * FROM billing_payouts WHERE book = ? AND nonce = ?
     ORDER BY length(max_fee) DESC, max_fee DESC LIMIT 1`,
    book.id,
    args.nonce,
  );
  const unnoted = all<PayoutRow>(
    db,
    'SELECT * FROM billing_payouts WHERE book = ? AND nonce < ? AND block IS NULL ORDER BY nonce LIMIT 16',
    book.id,
    args.nonce,
  );
  const newest = one<{ at: number | null }>(
    db,
    'SELECT max(signed_at) AS at FROM billing_payouts WHERE book = ?',
    book.id,
  );
  const spent = String(spentSince(db, book.id, args.since));
  return { inFlight: inFlight ?? null, unnoted, newestAt: newest?.at ?? null, spent };
}

/** Fees of transactions in blocks, wei. What a unit of gas cost is at most its cap where the node did not say. */
export function spentSince(db: DatabaseSync, book: number, since: number): bigint {
  const rows = all<{ gas_used: number; price: string }>(
    db,
    `SELECT t.gas_used, coalesce(t.gas_price, t.max_fee) AS price FROM billing_txs t JOIN billing_batches b ON b.id = t.batch
     WHERE b.book = ?1 AND t.gas_used > 0 AND t.signed_at > ?2
     UNION ALL SELECT gas_used, coalesce(gas_price, max_fee) FROM billing_payouts
     WHERE book = ?1 AND gas_used > 0 AND signed_at > ?2`,
    book,
    since,
  );
  return rows.reduce((sum, { gas_used, price }) => sum + BigInt(gas_used) * BigInt(price), 0n);
}

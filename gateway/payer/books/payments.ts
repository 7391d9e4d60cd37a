import { fromHex, toHex } from '../../billing/formats/bytes.ts';
import type { EscrowAction } from '../../ports/escrow.ts';
import type { Books } from './books.ts';

/** `PLANNED` → `SENT` (signed and stored, then sent) → `MINED` → `FINAL`, or `FAILED`. */
export type PaymentState = 'PLANNED' | 'SENT' | 'MINED' | 'FINAL' | 'FAILED';

export interface Payment {
  readonly id: number;
  readonly channel: Uint8Array;
  readonly key: string;
  readonly action: EscrowAction;
  readonly state: PaymentState;
  readonly createdAt: number;
  readonly reason: string | undefined;
}

export interface PaymentTransaction {
  readonly hash: Uint8Array;
  readonly nonce: number;
  readonly maxFee: bigint;
  readonly tip: bigint;
  readonly raw: Uint8Array;
  readonly signedAt: number;
  readonly block: number | undefined;
  readonly gasUsed: number | undefined;
}

interface PaymentRow {
  readonly id: number;
  readonly channel: Uint8Array;
  readonly key: string;
  readonly action: string;
  readonly state: PaymentState;
  readonly created_at: number;
  readonly reason: string | null;
}

interface TransactionRow {
  readonly hash: Uint8Array;
  readonly nonce: number;
  readonly max_fee: string;
  readonly tip: string;
  readonly raw: Uint8Array;
  readonly signed_at: number;
  readonly block: number | null;
  readonly gas_used: number | null;
}

/** Bytes and amounts as JSON text, and back. */
const writeAction = (action: EscrowAction): string =>
  JSON.stringify(action, (_, value: unknown) => {
    if (typeof value === 'bigint') return { $amount: String(value) };
    return value instanceof Uint8Array ? { $bytes: toHex(value) } : value;
  });

const readAction = (text: string): EscrowAction =>
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$amount' in value) return BigInt(value.$amount as string);
    return '$bytes' in value ? new Uint8Array(fromHex(value.$bytes as string)) : value;
  }) as EscrowAction;

const paymentOf = (row: PaymentRow): Payment => ({
  ...{ id: row.id, channel: row.channel, key: row.key, state: row.state },
  action: readAction(row.action),
  createdAt: row.created_at,
  reason: row.reason ?? undefined,
});

/** Plans a payment; one with this key that was planned before stays what it was. Answers it. */
export function planPayment(
  books: Books,
  channel: Uint8Array,
  key: string,
  action: EscrowAction,
  now: number,
): Payment {
  return books.transaction(() => {
    books.run(
      "INSERT OR IGNORE INTO payer_payments (channel, key, action, state, created_at) VALUES (?, ?, ?, 'PLANNED', ?)",
      ...[channel, key, writeAction(action), now],
    );
    return paymentOf(books.one<PaymentRow>('SELECT * FROM payer_payments WHERE key = ?', key)!);
  });
}

export const findPayment = (books: Books, key: string): Payment | undefined => {
  const row = books.one<PaymentRow>('SELECT * FROM payer_payments WHERE key = ?', key);
  return row && paymentOf(row);
};

/** Those that are not over, in the order in which they were planned. */
export const openPayments = (books: Books): Payment[] =>
  books
    .all<PaymentRow>("SELECT * FROM payer_payments WHERE state IN ('PLANNED', 'SENT', 'MINED') ORDER BY id")
    .map(paymentOf);

export const listPayments = (books: Books, channel: Uint8Array, limit: number): Payment[] =>
  books
    .all<PaymentRow>(
      'SELECT * FROM payer_payments WHERE channel = ? ORDER BY id DESC LIMIT ?',
      channel,
      limit,
    )
    .map(paymentOf);

/** The newest first: it pays the most. */
export const transactionsOf = (books: Books, payment: number): PaymentTransaction[] =>
  books
    .all<TransactionRow>(
      'SELECT * FROM payer_transactions WHERE payment = ? ORDER BY signed_at DESC, length(max_fee) DESC, max_fee DESC',
      payment,
    )
    .map((row) => ({
      ...{ hash: row.hash, nonce: row.nonce, raw: row.raw, signedAt: row.signed_at },
      maxFee: BigInt(row.max_fee),
      tip: BigInt(row.tip),
      block: row.block ?? undefined,
      gasUsed: row.gas_used ?? undefined,
    }));

/**
 * Stores a signed transaction, before it is sent. Answers false, and stores nothing, when another process has stored one at another
 * nonce meanwhile: both could be mined.
 */
export function addTransaction(
  books: Books,
  payment: number,
  tx: Pick<PaymentTransaction, 'hash' | 'nonce' | 'maxFee' | 'tip' | 'raw'>,
  now: number,
): boolean {
  return books.transaction(() => {
    if (transactionsOf(books, payment).some(({ nonce }) => nonce !== tx.nonce)) return false;
    books.run(
      'INSERT OR IGNORE INTO payer_transactions (hash, payment, nonce, max_fee, tip, raw, signed_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[tx.hash, payment, tx.nonce, String(tx.maxFee), String(tx.tip), tx.raw, now],
    );
    setPayment(books, payment, 'SENT');
    return true;
  });
}

export function setPayment(books: Books, payment: number, state: PaymentState, reason?: string): void {
  const sql = 'UPDATE payer_payments SET state = ?, reason = ? WHERE id = ?';
  books.run(sql, state, reason ?? null, payment);
}

/** Keeps where a transaction was found; null: it is not in the chain (any more). */
export const noteMined = (
  books: Books,
  hash: Uint8Array,
  found: { readonly block: number; readonly gasUsed: number } | null,
): void =>
  void books.run(
    'UPDATE payer_transactions SET block = ?, gas_used = ? WHERE hash = ?',
    ...[found?.block ?? null, found?.gasUsed ?? null, hash],
  );

/** A transaction whose nonce went to another one can never be mined. */
export const forgetTransactions = (books: Books, payment: number): void =>
  books.transaction(() => {
    books.run('DELETE FROM payer_transactions WHERE payment = ?', payment);
    setPayment(books, payment, 'PLANNED');
  });

import type { DatabaseSync } from 'node:sqlite';
import { type BookKey, findBook, newestOf } from './book-rows.ts';
import { parseEscrow } from './channels/rows.ts';
import { settledTo } from './metering/space.ts';
import { all } from './statements.ts';

/** `billing.owed`: whether a book still has receipts that the chain does not hold for good, or channels that are not paid. */
export function owed(db: DatabaseSync, args: { readonly book: BookKey }): boolean {
  const book = findBook(db, args.book);
  if (!book || book.chain_id === 0) return false;
  if (newestOf(db, book).ordinal > settledTo(db, book)) return true;
  const rows = all<{ cumulative: string; latest: string | null }>(
    db,
    'SELECT c.cumulative, e.latest FROM billing_escrows e JOIN billing_channels c ON c.id = e.channel WHERE c.book = ?',
    book.id,
  );
  return rows.some(({ cumulative, latest }) => BigInt(cumulative) > (latest ? parseEscrow(latest).paid : 0n));
}

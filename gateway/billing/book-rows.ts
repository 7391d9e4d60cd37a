import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { ZERO_WORD } from './formats/bytes.ts';
import type { Ledger } from './formats/documents.ts';
import { all, one, run } from './statements.ts';

/** Names a book: what one device commits to on one ledger. */
export interface BookKey extends Ledger {
  /** Address of the device key, lower case. */
  readonly device: string;
}

export interface BookRow {
  readonly id: number;
  readonly chain_id: number;
  readonly ledger: string;
  readonly device: string;
  readonly salt: Uint8Array;
  /** Ordinal of the newest receipt that is no longer kept; 0 when all are. */
  readonly pruned: number;
}

export interface ChannelKey {
  /** 32 bytes. */
  readonly channelId: Uint8Array;
  readonly account: string;
  /** Canonical JSON of the channel's configuration: with the ledger, the preimage of `channelId`. */
  readonly config: string;
}

export interface ChannelRow {
  readonly id: number;
  readonly book: number;
  readonly channel_id: Uint8Array;
  readonly seq: number;
  readonly cumulative: string;
  readonly last_hash: Uint8Array;
  /** Ordinal of the newest receipt; 0 when there is none. */
  readonly last_ordinal: number;
}

/** The book's row without making one: queries only read. */
export const findBook = (db: DatabaseSync, key: BookKey): BookRow | undefined =>
  one<BookRow>(
    db,
    'SELECT * FROM billing_books WHERE chain_id = ? AND ledger = ? AND device = ?',
    key.chainId,
    key.address,
    key.device,
  );

/** The book's row, made on first use with a secret salt of its own. */
export function openBook(db: DatabaseSync, key: BookKey): BookRow {
  const found = findBook(db, key);
  if (found) return found;
  run(
    db,
    'INSERT INTO billing_books (chain_id, ledger, device, salt) VALUES (?, ?, ?, ?)',
    key.chainId,
    key.address,
    key.device,
    randomBytes(32),
  );
  return findBook(db, key)!;
}

export function openChannel(db: DatabaseSync, book: BookRow, key: ChannelKey): ChannelRow {
  const find = () =>
    one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE channel_id = ?', key.channelId);
  const found = find();
  if (found) return found;
  run(
    db,
    'INSERT INTO billing_channels (book, channel_id, account, config, last_hash) VALUES (?, ?, ?, ?, ?)',
    book.id,
    key.channelId,
    key.account,
    key.config,
    ZERO_WORD,
  );
  return find()!;
}

/** Newest receipt of a book, as far as it is kept: where the next one goes on. */
export function newestOf(db: DatabaseSync, book: BookRow): { ordinal: number; bytes_to: number } {
  const sql = 'SELECT ordinal, bytes_to FROM billing_receipts WHERE book = ? ORDER BY ordinal DESC LIMIT 1';
  return (
    one<{ ordinal: number; bytes_to: number }>(db, sql, book.id) ?? { ordinal: book.pruned, bytes_to: 0 }
  );
}

/** Sum of all receipts of a book: what its channels add up to. */
export function totalOf(db: DatabaseSync, book: number): bigint {
  return all<{ cumulative: string }>(
    db,
    'SELECT cumulative FROM billing_channels WHERE book = ?',
    book,
  ).reduce((sum, channel) => sum + BigInt(channel.cumulative), 0n);
}

import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import {
  type BookKey,
  type ChannelKey,
  type ChannelRow,
  newestOf,
  openBook,
  openChannel,
} from '../book-rows.ts';
import { sameBytes } from '../formats/bytes.ts';
import { append, billedBody, readTariff } from '../metering/append.ts';
import type { Measured } from '../metering/measure.ts';
import { one, run } from '../statements.ts';

/** Channels with customers inside the writer thread. */

export interface FoundArgs {
  readonly book: BookKey;
  readonly channels: readonly ChannelKey[];
  /** Blocks up to this one have been searched. */
  readonly block: number;
}

/** `billing.found`: enters channels that the ledger knows. */
export function found(db: DatabaseSync, args: FoundArgs): void {
  const book = openBook(db, args.book);
  for (const key of args.channels) {
    const channel = openChannel(db, book, key);
    run(db, 'INSERT OR IGNORE INTO billing_escrows (channel) VALUES (?)', channel.id);
  }
  run(db, 'INSERT OR REPLACE INTO billing_scans VALUES (?, ?)', book.id, args.block);
}

export interface SeenArgs {
  readonly rows: readonly {
    readonly channelId: Uint8Array;
    readonly latest: string;
    readonly final: string;
    /** Epoch ms. */
    readonly seenAt: number;
  }[];
}

/** `billing.seen`: what the ledger says of channels. */
export function seen(db: DatabaseSync, args: SeenArgs): void {
  for (const row of args.rows)
    run(
      db,
      `UPDATE billing_escrows SET latest = ?, final = ?, seen_at = ?
       WHERE channel = (SELECT id FROM billing_channels WHERE channel_id = ?)`,
      row.latest,
      row.final,
      row.seenAt,
      row.channelId,
    );
}

export interface WordArgs {
  readonly channelId: Uint8Array;
  /** JSON of the ceiling, and who brought it. */
  readonly ceiling?: { readonly text: string; readonly owner: string };
  /** JSON of the acknowledgement. */
  readonly ack?: { readonly text: string; readonly now: number };
}

/** `billing.word`: keeps a payer's newest ceiling or acknowledgement; the caller has compared it with the one before. */
export function word(db: DatabaseSync, { channelId, ceiling, ack }: WordArgs): void {
  const where = 'WHERE channel = (SELECT id FROM billing_channels WHERE channel_id = ?)';
  if (ceiling) {
    const sql = `UPDATE billing_escrows SET ceiling = ?, owner = ? ${where}`;
    run(db, sql, ceiling.text, ceiling.owner, channelId);
  }
  if (ack) run(db, `UPDATE billing_escrows SET ack = ?, ack_at = ? ${where}`, ack.text, ack.now, channelId);
}

export interface BillArgs {
  readonly book: BookKey;
  readonly channelId: Uint8Array;
  /** Canonical JSON of the tariff. */
  readonly tariff: string;
  readonly uses: readonly Measured[];
  /** Where the caller thinks the channel stands, and where these uses bring it. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly now: number;
}

/**
 * `billing.bill`: receipts that the caller has made already, because they stand in the answers of the same transaction. They
 * are made again from what is stored: should the two differ, nothing commits.
 */
export function bill(db: DatabaseSync, args: BillArgs): void {
  const book = openBook(db, args.book);
  const find = () =>
    one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE channel_id = ?', args.channelId);
  const channel = find();
  if (!channel || !sameBytes(channel.last_hash, args.before)) throw moved();
  for (const { requestId } of args.uses) {
    if (billedBody(db, channel.id, requestId))
      throw new GatewayError('BILLING_CONFLICT', `Request ${requestId} was billed before.`);
  }
  let { ordinal } = newestOf(db, book);
  let { seq } = channel;
  append(db, book, channel, readTariff(args.tariff), args.uses, args.now);
  for (const _ of args.uses)
    run(db, 'INSERT INTO billing_places VALUES (?, ?, ?)', channel.id, ++seq, ++ordinal);
  if (!sameBytes(find()!.last_hash, args.after)) throw moved();
}

const moved = (): GatewayError =>
  new GatewayError('CHANNEL_MOVED', 'The channel stands elsewhere than was thought.');

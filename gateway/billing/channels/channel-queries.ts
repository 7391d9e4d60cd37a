import type { DatabaseSync } from 'node:sqlite';
import { type BookKey, type ChannelRow, findBook } from '../book-rows.ts';
import { sameBytes } from '../formats/bytes.ts';
import { billedBody } from '../metering/append.ts';
import { requestId as idOf, requestKey } from '../metering/request-key.ts';
import { all, one } from '../statements.ts';
import type { Counted } from '../tariff/rate.ts';

/** Read-only looks at channels with customers and their receipts. */

export interface ChannelRecord extends ChannelRow {
  /** Canonical JSON of the terms. */
  readonly config: string;
  readonly latest: string | null;
  readonly final: string | null;
  readonly seen_at: number;
  readonly ceiling: string | null;
  readonly ack: string | null;
  readonly ack_at: number | null;
  readonly owner: string | null;
  /** JSON of what a tariff that depends on it has counted. */
  readonly counted: string | null;
  readonly counted_tariff: Uint8Array | null;
  readonly head_seq: number | null;
  readonly head_cumulative: string | null;
  readonly head_hash: Uint8Array | null;
  readonly head_signature: Uint8Array | null;
  /** When the newest receipt was stored; null when it is no longer kept. */
  readonly newest_at: number | null;
}

const RECORDS = `SELECT c.*, e.latest, e.final, e.seen_at, e.ceiling, e.ack, e.ack_at, e.owner,
    n.counted, t.hash AS counted_tariff, h.seq AS head_seq, h.signature AS head_signature
  FROM billing_escrows e JOIN billing_channels c ON c.id = e.channel
    LEFT JOIN billing_counts n ON n.channel = c.id LEFT JOIN billing_preimages t ON t.id = n.tariff
    LEFT JOIN billing_heads h ON h.channel = c.id AND h.seq = c.signed_seq`;

type Stored = Omit<ChannelRecord, 'head_cumulative' | 'head_hash' | 'newest_at'>;

/** `billing.customers`: channels with customers of a book, or one of them. */
export function customers(
  db: DatabaseSync,
  args: { readonly book: BookKey; readonly channelId?: Uint8Array },
): { readonly salt: Uint8Array; readonly scanned: number; readonly channels: ChannelRecord[] } | null {
  const book = findBook(db, args.book);
  if (!book) return null;
  const rows = args.channelId
    ? all<Stored>(db, `${RECORDS} WHERE c.book = ? AND c.channel_id = ?`, book.id, args.channelId)
    : all<Stored>(db, `${RECORDS} WHERE c.book = ? ORDER BY c.id`, book.id);
  const scan = one<{ block: number }>(db, 'SELECT block FROM billing_scans WHERE book = ?', book.id);
  const channels = rows.map((row): ChannelRecord => {
    const head = row.head_seq === null ? undefined : receiptAt(db, row, row.head_seq);
    return {
      ...row,
      head_cumulative: head?.cumulative ?? null,
      head_hash: head?.hash ?? null,
      newest_at: placeAt(db, row.book, row.last_ordinal)?.created_at ?? null,
    };
  });
  return { salt: book.salt, scanned: scan?.block ?? -1, channels };
}

interface Place {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly cumulative: string;
  readonly before: number;
  readonly created_at: number;
}

const placeAt = (db: DatabaseSync, book: number, ordinal: number): Place | undefined =>
  one<Place>(
    db,
    'SELECT seq, hash, cumulative, before, created_at FROM billing_receipts WHERE book = ? AND ordinal = ?',
    book,
    ordinal,
  );

/** Steps back from the newest receipt, which is kept longest; heads are never far from it. */
function receiptAt(
  db: DatabaseSync,
  channel: Stored,
  seq: number,
): Pick<Place, 'hash' | 'cumulative'> | undefined {
  if (channel.seq === seq) return { hash: channel.last_hash, cumulative: channel.cumulative };
  let place = placeAt(db, channel.book, channel.last_ordinal);
  while (place && place.seq > seq) place = placeAt(db, channel.book, place.before);
  return place?.seq === seq ? place : undefined;
}

/** `billing.billed`: hash of the body that was billed on a channel under this id. */
export function billed(
  db: DatabaseSync,
  args: { readonly channelId: Uint8Array; readonly requestId: string },
): Uint8Array | null {
  const sql = 'SELECT id FROM billing_channels WHERE channel_id = ?';
  const channel = one<{ id: number }>(db, sql, args.channelId);
  return (channel && billedBody(db, channel.id, args.requestId)) ?? null;
}

export const countedOf = (record: ChannelRecord, tariffHash: Uint8Array): Counted | undefined =>
  record.counted !== null && record.counted_tariff && sameBytes(record.counted_tariff, tariffHash)
    ? (JSON.parse(record.counted) as Counted)
    : undefined;

/** A receipt with the texts behind its hashes. */
export interface PlacedRow {
  readonly seq: number;
  readonly request_id: string;
  readonly request_sha: Uint8Array;
  readonly answer_sha: Uint8Array;
  readonly tariff_hash: Uint8Array;
  /** Canonical JSON. */
  readonly tariff: string;
  readonly model: string;
  readonly usage: string;
  readonly started_at: number;
  readonly compute_us: number;
  readonly amount: string;
  readonly cumulative: string;
  readonly hash: Uint8Array;
  readonly prev_hash: Uint8Array | null;
}

const PLACED = `SELECT r.seq, r.request_key AS request_id, r.request_sha, r.answer_sha, t.hash AS tariff_hash, t.text AS tariff, m.text AS model,
    r.usage, r.started_at, r.compute_us, r.amount, r.cumulative, r.hash,
    coalesce((SELECT b.hash FROM billing_receipts b WHERE b.book = r.book AND b.ordinal = r.before),
      iif(r.before = 0, NULL, c.pruned_hash)) AS prev_hash
  FROM billing_channels c JOIN billing_receipts r ON r.channel = c.id AND r.book = c.book
    JOIN billing_preimages t ON t.id = r.tariff JOIN billing_preimages m ON m.id = r.model
  WHERE c.channel_id = ?`;

const withId = (row: PlacedRow): PlacedRow => ({ ...row, request_id: idOf(row.request_id) });

/** `billing.placed`: receipts of a channel from a number on, oldest first. */
export function placed(
  db: DatabaseSync,
  args: { readonly channelId: Uint8Array; readonly from: number; readonly limit: number },
): PlacedRow[] {
  const sql = `${PLACED} AND r.ordinal IN (
    SELECT p.ordinal FROM billing_places p WHERE p.channel = c.id AND p.seq >= ? ORDER BY p.seq LIMIT ?)
    ORDER BY r.ordinal`;
  return all<PlacedRow>(db, sql, args.channelId, args.from, Math.min(Math.max(1, args.limit), 1000)).map(
    withId,
  );
}

/** `billing.receiptOf`: the receipt of a request. */
export function receiptOf(
  db: DatabaseSync,
  args: { readonly channelId: Uint8Array; readonly requestId: string },
): PlacedRow | null {
  const sql = `${PLACED} AND r.request_key = ?`;
  const row = one<PlacedRow>(db, sql, args.channelId, requestKey(args.requestId));
  return row ? withId(row) : null;
}

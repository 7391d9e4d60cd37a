import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { BookRow, ChannelRow } from '../book-rows.ts';
import { keccak, utf8, ZERO_WORD } from '../formats/bytes.ts';
import { all, one, run } from '../statements.ts';
import type { Quantities, Tariff } from '../tariff/tariff.ts';
import { append, billedBody, keepPreimage, readTariff } from './append.ts';
import type { Measured, SharedUse } from './measure.ts';
import type { ChargeTime } from './metering-ops.ts';

/**
 * Sums of uses. While receipts that wait for the chain (or uses that wait for the time) take too much room, uses are
 * added up per account, model and tariff in the transaction of their results, and a sum becomes one receipt when its
 * time slot ends: as durable and as exact as receipts, in a room that does not grow with the number of uses.
 */

interface SumRow {
  readonly channel: number;
  readonly model: number;
  readonly tariff: number;
  readonly first_id: string;
  readonly last_id: string;
  readonly ids_sha: Uint8Array;
  readonly requests_sha: Uint8Array;
  readonly answers_sha: Uint8Array;
  readonly used: string;
  readonly started_at: number;
  readonly synced: number;
  readonly boot: string;
  readonly monotonic: number;
  readonly opened_at: number;
}

const sha256 = (data: Uint8Array): Uint8Array => hash('sha256', data, 'buffer');

/** Commits to a list by its end: `next = SHA-256(before ‖ SHA-256(text))`, from a zero word. */
const link = (before: Uint8Array, sha: Uint8Array): Uint8Array => sha256(Buffer.concat([before, sha]));

/** Adds uses of one model to the open sum of the channel, or opens one. */
export function addUp(
  db: DatabaseSync,
  channel: number,
  tariff: Tariff,
  use: SharedUse,
  time: ChargeTime,
): void {
  const place = [
    channel,
    keepPreimage(db, keccak(utf8(use.model)), use.model),
    keepPreimage(db, tariff.hash, tariff.json),
  ] as const;
  const open = one<SumRow>(
    db,
    'SELECT * FROM billing_sums WHERE channel = ? AND model = ? AND tariff = ?',
    ...place,
  );
  const used: Record<string, number> = open ? (JSON.parse(open.used) as Record<string, number>) : {};
  for (const [name, quantity] of Object.entries(use.used)) used[name] = (used[name] ?? 0) + quantity;
  run(
    db,
    'INSERT OR REPLACE INTO billing_sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...place,
    open?.first_id ?? use.first,
    use.last,
    link(open?.ids_sha ?? ZERO_WORD, use.idsSha),
    link(open?.requests_sha ?? ZERO_WORD, use.requestsSha),
    link(open?.answers_sha ?? ZERO_WORD, use.answersSha),
    JSON.stringify(used),
    open?.started_at ?? use.startedAt,
    open?.synced ?? (time.synced ? 1 : 0),
    open?.boot ?? time.boot,
    open?.monotonic ?? time.monotonic,
    open?.opened_at ?? time.now,
  );
}

/** Sums of a book whose slot has ended: all when there are no slots; also when the wall clock was set back. */
function ended(db: DatabaseSync, book: number, now: number, slotMs: number): SumRow[] {
  return all<SumRow>(
    db,
    `SELECT s.* FROM billing_sums s JOIN billing_channels c ON c.id = s.channel
     WHERE c.book = ?1 AND ?3 < ?4 AND (s.opened_at <= ?2 - ?3 OR s.opened_at > ?2) LIMIT 500`,
    book,
    now,
    slotMs,
    Number.MAX_SAFE_INTEGER,
  );
}

export const sumsEnded = (db: DatabaseSync, book: number, now: number, slotMs: number): boolean =>
  ended(db, book, now, slotMs).length > 0;

/** Makes receipts of the sums whose slot has ended; answers how many. */
export function closeSums(db: DatabaseSync, book: BookRow, time: ChargeTime, slotMs: number): number {
  const due = ended(db, book.id, time.now, slotMs);
  for (const sum of due) {
    const text = (id: number) =>
      one<{ text: string }>(db, 'SELECT text FROM billing_preimages WHERE id = ?', id)!.text;
    const used = JSON.parse(sum.used) as Quantities;
    const elapsed = sum.boot === time.boot ? Math.max(0, time.monotonic - sum.monotonic) : 0;
    const use: Measured = {
      requestId: `${sum.first_id}…${sum.last_id}#${Buffer.from(sum.ids_sha.subarray(0, 16)).toString('hex')}`,
      requestSha: sum.requests_sha,
      answerSha: sum.answers_sha,
      model: text(sum.model),
      used,
      computeUs: used.compute_us ?? 0,
      startedAt: sum.synced ? sum.started_at : Math.round(time.now - elapsed),
    };
    const channel = one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE id = ?', sum.channel)!;
    if (!billedBody(db, channel.id, use.requestId))
      append(db, book, channel, readTariff(text(sum.tariff)), [use], time.now);
    run(
      db,
      'DELETE FROM billing_sums WHERE channel = ? AND model = ? AND tariff = ?',
      sum.channel,
      sum.model,
      sum.tariff,
    );
  }
  return due.length;
}

import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { Usage } from '../../ports/meter.ts';
import { type BookKey, type ChannelKey, type ChannelRow, openBook, openChannel } from '../book-rows.ts';
import { fromHex, sameBytes } from '../formats/bytes.ts';
import { one, run } from '../statements.ts';
import { append, billedBody, ownersTariff } from './append.ts';
import { type Measured, measure, measureShared, type SharedUse, share } from './measure.ts';
import { backlog, pendingIsLong } from './space.ts';
import { addUp, closeSums } from './sums.ts';

/** What the writer thread does to bill: it alone knows the newest hash, seq and total of each channel. */

export interface ChargeArgs {
  readonly book: BookKey;
  readonly channel: ChannelKey;
  /** Canonical JSON of the tariff. */
  readonly tariff: string;
  readonly uses: readonly Usage[];
  /** One receipt each. */
  readonly shared: readonly SharedUse[];
  /** What becomes of a request id that was billed with another body: pipelines skip it, requests are refused. */
  readonly onConflict: 'skip' | 'error';
  readonly time: ChargeTime;
  /** `billing.maxBytes`: what all receipts may take. */
  readonly maxBytes: number;
}

/** How much is known about time: without `synced` uses wait, unnumbered, until it is. */
export interface ChargeTime {
  readonly synced: boolean;
  readonly now: number;
  readonly monotonic: number;
  /** Differs from start to start, because a monotonic clock does. */
  readonly boot: string;
}

export interface Charged {
  readonly receipts: number;
  /** Waiting for the time to be known, or added up until their slot ends. */
  readonly pending: number;
  /** Billed before with the same body. */
  readonly repeated: number;
  /** Billed before with another body, and skipped. */
  readonly conflicts: number;
}

/** `billing.charge`: bills uses of one channel in the caller's transaction. */
export function charge(db: DatabaseSync, args: ChargeArgs): Charged {
  const { time, maxBytes } = args;
  const tariff = ownersTariff(args.tariff, time.now);
  const book = openBook(db, args.book);
  const channel = openChannel(db, book, args.channel);
  const fresh = new Map<string, Measured>();
  const apart: Usage[] = [];
  let repeated = 0;
  let conflicts = 0;
  const isNew = (use: Measured): boolean => {
    const known = billedBody(db, channel.id, use.requestId) ?? fresh.get(use.requestId)?.requestSha;
    if (!known) fresh.set(use.requestId, use);
    else if (sameBytes(known, use.requestSha)) repeated++;
    else if (args.onConflict === 'skip') conflicts++;
    else throw new GatewayError('BILLING_CONFLICT', `Request ${use.requestId} was billed with another body.`);
    return !known;
  };
  for (const use of args.uses) if (isNew(measure(use))) apart.push(use);
  const together = args.shared.filter((use) => isNew(measureShared(use)));
  const none = { receipts: 0, pending: fresh.size, repeated, conflicts };
  if (time.synced ? backlog(db, maxBytes).slotMs > 0 : pendingIsLong(db, maxBytes)) {
    for (const use of [...share(apart), ...together]) addUp(db, channel.id, tariff, use, time);
    return none;
  }
  if (!time.synced) {
    for (const use of fresh.values()) putAside(db, channel.id, use, time);
    return none;
  }
  append(db, book, channel, tariff, [...fresh.values()], time.now);
  return { ...none, receipts: fresh.size, pending: 0 };
}

export interface FinaliseArgs {
  readonly book: BookKey;
  readonly tariff: string;
  readonly limit: number;
  readonly time: ChargeTime;
  readonly maxBytes: number;
}

interface PendingRow {
  readonly id: number;
  readonly request_id: string;
  readonly request_sha: Uint8Array;
  readonly measured: string;
  readonly boot: string;
  readonly monotonic: number;
}

/**
 * `billing.finalise`: turns uses that waited for the time into receipts, oldest first, and sums whose slot has ended. A use of this start gets its
 * true time by the monotonic clock; of a use from before a restart only the latest possible time is known: now.
 * Answers how many it took.
 */
export function finalise(db: DatabaseSync, args: FinaliseArgs): number {
  const book = openBook(db, args.book);
  const tariff = ownersTariff(args.tariff, args.time.now);
  let taken = 0;
  while (taken < args.limit) {
    const row = one<PendingRow & { channel: number }>(
      db,
      `SELECT p.* FROM billing_pending p JOIN billing_channels c ON c.id = p.channel
       WHERE c.book = ? ORDER BY p.id LIMIT 1`,
      book.id,
    );
    if (!row) break;
    const rest = JSON.parse(row.measured) as Pick<Measured, 'model' | 'used' | 'computeUs'> & {
      answer: string;
    };
    const elapsed = row.boot === args.time.boot ? Math.max(0, args.time.monotonic - row.monotonic) : 0;
    const use: Measured = {
      requestId: row.request_id,
      requestSha: row.request_sha,
      answerSha: fromHex(rest.answer),
      model: rest.model,
      used: rest.used,
      computeUs: rest.computeUs,
      startedAt: Math.round(args.time.now - elapsed),
    };
    const channel = one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE id = ?', row.channel)!;
    append(db, book, channel, tariff, [use], args.time.now);
    run(db, 'DELETE FROM billing_pending WHERE id = ?', row.id);
    taken++;
  }
  return taken + closeSums(db, book, args.time, backlog(db, args.maxBytes).slotMs);
}

export interface SignArgs {
  readonly heads: readonly {
    readonly channel: number;
    readonly seq: number;
    readonly signature: Uint8Array;
  }[];
}

/** `billing.sign`: keeps signed heads. */
export function sign(db: DatabaseSync, args: SignArgs): void {
  for (const head of args.heads) {
    run(db, 'INSERT OR IGNORE INTO billing_heads VALUES (?, ?, ?)', head.channel, head.seq, head.signature);
    run(db, 'DELETE FROM billing_marks WHERE channel = ? AND seq <= ?', head.channel, head.seq);
    run(
      db,
      'UPDATE billing_channels SET signed_seq = max(signed_seq, ?) WHERE id = ?',
      head.seq,
      head.channel,
    );
  }
}

function putAside(db: DatabaseSync, channel: number, use: Measured, time: ChargeTime): void {
  const { model, used, computeUs, answerSha } = use;
  run(
    db,
    `INSERT INTO billing_pending (channel, request_id, request_sha, measured, boot, monotonic)
     VALUES (?, ?, ?, ?, ?, ?)`,
    channel,
    use.requestId,
    use.requestSha,
    JSON.stringify({ model, used, computeUs, answer: Buffer.from(answerSha).toString('hex') }),
    time.boot,
    time.monotonic,
  );
}

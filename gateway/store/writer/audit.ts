import type { DatabaseSync } from 'node:sqlite';
import type { AuditRow } from '../types.ts';
import { Journal } from './journal.ts';
import { damagedIn, passed, reached } from './ledger.ts';
import { emptyStream, type StreamState } from './rows.ts';
import { segmentTable } from './schema.ts';

/** Streams of payloads that could not be decoded belong to the stream whose name follows. */
export const REJECTED_PREFIX = '$rejected/';

/**
 * The accounting identity per stream, from the database alone: `pending` is counted in the segments, the other numbers
 * are counters kept in the transactions that changed them, so the identity fails if any of them is wrong.
 * @param named streams to be listed in any case
 */
export function audit(db: DatabaseSync, named: readonly string[]): AuditRow[] {
  const journal = new Journal(db);
  // A stream that nothing was stored in has no table yet, but may have rejected payloads.
  const unused = named.filter((name) => journal.byName(name) === undefined);
  return [...journal.streams(), ...unused.map((name) => emptyStream(0, name, journal.base))]
    .filter(({ name }) => !name.startsWith(REJECTED_PREFIX))
    .map((stream) => {
      const rejects = journal.byName(REJECTED_PREFIX + stream.name);
      const rejected = rejects === undefined ? 0 : kept(db, rejects, 0) + rejects.deleted;
      const accepted = stream.accepted + (rejects?.accepted ?? 0);
      const pending = pendingAfter(db, stream, passed(stream));
      const consumers = stream.cursors.map((cursor) => ({
        consumer: cursor.consumer,
        processed: cursor.processed,
        pending: pendingAfter(db, stream, reached(cursor)),
        expired: cursor.expired,
      }));
      const { forwarded, expired } = stream;
      const holds =
        accepted === forwarded + pending + expired + rejected &&
        consumers.every((one) => one.processed + one.pending + one.expired === stream.accepted);
      return { stream: stream.name, accepted, forwarded, pending, expired, rejected, holds, consumers };
    });
}

function pendingAfter(db: DatabaseSync, stream: Readonly<StreamState>, seq: number): number {
  return kept(db, stream, seq) - damagedIn(stream, seq, stream.head, true);
}

/** Records after `seq` in the segments that are there. */
function kept(db: DatabaseSync, { id, created }: Readonly<StreamState>, seq: number): number {
  if (!created) return 0;
  const row = db
    .prepare(
      `SELECT coalesce(sum(count - max(0, ?1 - first_seq + 1)), 0) AS records FROM ${segmentTable(id)}
        WHERE first_seq + count - 1 > ?1
          AND first_seq >= coalesce((SELECT max(first_seq) FROM ${segmentTable(id)} WHERE first_seq <= ?1), 0)`,
    )
    .get(seq) as { records: number };
  return row.records;
}

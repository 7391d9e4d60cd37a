import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StreamTerms } from '../protocol.ts';
import { Inconsistent } from './faults.ts';
import type { StreamLedger } from './ledger.ts';
import type { Span } from './reconcile.ts';
import { segmentTable } from './schema.ts';

/** A stream as the writer thread keeps it: its ledger, its terms and its statements. */
export interface StreamState extends StreamLedger {
  readonly id: number;
  readonly name: string;
  /** Numbering began above this. */
  readonly base: number;
  terms: StreamTerms | undefined;
  /** Whether row and table exist. */
  created: boolean;
  statements: SegmentStatements | undefined;
}

export interface SegmentStatements {
  readonly insert: StatementSync;
  readonly oldest: StatementSync;
  readonly newest: StatementSync;
  readonly remove: StatementSync;
  readonly read: StatementSync;
}

export function prepareSegments(db: DatabaseSync, streamId: number): SegmentStatements {
  const table = segmentTable(streamId);
  const columns = 'first_seq, count, last_arrival, length(body) AS bytes';
  return {
    insert: db.prepare(
      `INSERT INTO ${table} (first_seq, count, first_arrival, last_arrival, body) VALUES (?, ?, ?, ?, ?)`,
    ),
    oldest: db.prepare(`SELECT ${columns} FROM ${table} ORDER BY first_seq LIMIT 1`),
    newest: db.prepare(`SELECT ${columns} FROM ${table} ORDER BY first_seq DESC LIMIT 1`),
    remove: db.prepare(`DELETE FROM ${table} WHERE first_seq = ?`),
    // The last segment that begins at or before the seq may hold it, so reading begins there.
    read: db.prepare(
      `SELECT first_seq, count, body FROM ${table}
        WHERE first_seq >= coalesce((SELECT max(first_seq) FROM ${table} WHERE first_seq <= ?1), 0)
        ORDER BY first_seq`,
    ),
  };
}

/** All streams of the file with their cursors and damage. */
export function loadStreams(db: DatabaseSync): { base: number; streams: StreamState[] } {
  const streams = new Map<number, StreamState>();
  for (const row of db.prepare('SELECT * FROM stream').all() as unknown as StreamRow[]) {
    streams.set(row.id, fromRow(row));
  }
  for (const row of db.prepare('SELECT * FROM cursor').all() as unknown as CursorRow[]) {
    streams.get(row.stream)?.cursors.push({
      consumer: row.consumer,
      seq: row.seq,
      lostTo: row.lost_to,
      processed: row.processed,
      expired: row.expired,
      dirty: false,
    });
  }
  const damage = db
    .prepare('SELECT * FROM damage ORDER BY stream, first_seq')
    .all() as unknown as DamageRow[];
  for (const row of damage) {
    streams
      .get(row.stream)
      ?.damage.push({ first: row.first_seq, last: row.last_seq, inSegment: row.in_segment === 1 });
  }
  const base = db.prepare("SELECT value FROM meta WHERE key = 'base'").get() as { value: number } | undefined;
  return { base: base?.value ?? 0, streams: [...streams.values()] };
}

/** Throws {@link Inconsistent} when the counters of a stream and its segments contradict each other. */
export function verifyStream(stream: StreamState, { oldest, newest }: SegmentStatements): void {
  const first = oldest.get() as OldestRow | undefined;
  const last = newest.get() as OldestRow | undefined;
  const end = last === undefined ? stream.head : last.first_seq + last.count - 1;
  const endIsLost = stream.damage.some((range) => !range.inSegment && range.last === stream.head);
  if (
    stream.head !== stream.base + stream.accepted ||
    stream.tail !== (first?.first_seq ?? stream.head + 1) ||
    (end !== stream.head && !endIsLost) ||
    stream.cursors.some((cursor) => cursor.seq > stream.head)
  ) {
    throw new Inconsistent(`the counters of stream ${stream.name} contradict its segments`);
  }
}

/** Returns the function that writes the counters of a stream and of its cursors. */
export function savingStatements(db: DatabaseSync): (stream: StreamState) => void {
  const saveStream = db.prepare(
    `UPDATE stream SET head = ?, tail = ?, records = ?, bytes = ?, accepted = ?, forwarded = ?, expired = ?,
      deleted = ?, last_arrival = ?, devices_as_of = ? WHERE id = ?`,
  );
  const saveCursor = db.prepare(
    `INSERT INTO cursor (consumer, stream, seq, lost_to, processed, expired) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (consumer, stream) DO UPDATE SET seq = excluded.seq, lost_to = excluded.lost_to,
      processed = excluded.processed, expired = excluded.expired`,
  );
  return (stream) => {
    const { id, head, tail, records, bytes, accepted, forwarded, expired, deleted } = stream;
    saveStream.run(
      head,
      tail,
      records,
      bytes,
      accepted,
      forwarded,
      expired,
      deleted,
      stream.lastArrival,
      stream.devicesAsOf,
      id,
    );
    for (const cursor of stream.cursors) {
      if (!cursor.dirty) continue;
      saveCursor.run(cursor.consumer, id, cursor.seq, cursor.lostTo, cursor.processed, cursor.expired);
    }
  };
}

export function saveDamage(db: DatabaseSync, stream: StreamState): void {
  db.prepare('DELETE FROM damage WHERE stream = ?').run(stream.id);
  const insert = db.prepare(
    'INSERT OR IGNORE INTO damage (stream, first_seq, last_seq, in_segment) VALUES (?, ?, ?, ?)',
  );
  for (const range of stream.damage) insert.run(stream.id, range.first, range.last, range.inSegment ? 1 : 0);
}

/** Which seqs the segments of a stream cover, ascending, and their bytes with `rowBytes` for each row. */
export function spansOf(
  db: DatabaseSync,
  streamId: number,
  rowBytes: number,
): { spans: Span[]; bytes: number } {
  const statement = db.prepare(
    `SELECT first_seq, count, length(body) AS bytes FROM ${segmentTable(streamId)} ORDER BY first_seq`,
  );
  const spans: Span[] = [];
  let bytes = 0;
  for (const row of statement.iterate() as Iterable<OldestRow>) {
    spans.push({ first: row.first_seq, last: row.first_seq + row.count - 1 });
    bytes += row.bytes + rowBytes;
  }
  return { spans, bytes };
}

export interface SegmentRow {
  readonly first_seq: number;
  readonly count: number;
  readonly body: Uint8Array;
}

export interface OldestRow {
  readonly first_seq: number;
  readonly count: number;
  readonly last_arrival: number;
  readonly bytes: number;
}

interface StreamRow {
  readonly id: number;
  readonly name: string;
  readonly base: number;
  readonly head: number;
  readonly tail: number;
  readonly records: number;
  readonly bytes: number;
  readonly accepted: number;
  readonly forwarded: number;
  readonly expired: number;
  readonly deleted: number;
  readonly last_arrival: number;
  readonly devices_as_of: number;
}

interface CursorRow {
  readonly consumer: string;
  readonly stream: number;
  readonly seq: number;
  readonly lost_to: number;
  readonly processed: number;
  readonly expired: number;
}

interface DamageRow {
  readonly stream: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly in_segment: number;
}

/** For a stream that the configuration no longer has: what a stream gets that says nothing. */
export const leftTerms = ({ id, name }: StreamState): StreamTerms => ({
  id,
  name,
  maxBytes: 256 * 1024 * 1024,
  maxAgeMs: 30 * 86_400_000,
  whenFull: 'drop-oldest',
});

export function emptyStream(id: number, name: string, base: number): StreamState {
  return {
    id,
    name,
    terms: undefined,
    base,
    created: false,
    statements: undefined,
    head: base,
    tail: base + 1,
    records: 0,
    bytes: 0,
    accepted: 0,
    forwarded: 0,
    expired: 0,
    deleted: 0,
    lastArrival: 0,
    devicesAsOf: 0,
    cursors: [],
    damage: [],
  };
}

function fromRow(row: StreamRow): StreamState {
  const { id, name, head, tail, records, bytes, accepted, forwarded, expired, deleted } = row;
  return {
    ...emptyStream(id, name, row.base),
    created: true,
    head,
    tail,
    records,
    bytes,
    accepted,
    forwarded,
    expired,
    deleted,
    lastArrival: row.last_arrival,
    devicesAsOf: row.devices_as_of,
  };
}

/** Segments of a stream, and the ranges of records that should be there and are not. */
export interface ReadRows {
  readonly rows: SegmentRow[];
  readonly gaps: Span[];
}

/** Reads from the segment that holds `after + 1` until there are `limit` records or `maxBytes` bytes. */
export function readRows(
  { tail, head }: Readonly<StreamState>,
  { read }: SegmentStatements,
  after: number,
  limit: number,
  maxBytes: number,
): ReadRows {
  const rows: SegmentRow[] = [];
  const gaps: Span[] = [];
  let expected = Math.max(after + 1, tail);
  let left = limit;
  let bytes = 0;
  for (const row of read.iterate(after + 1) as Iterable<SegmentRow>) {
    const end = row.first_seq + row.count;
    if (end <= expected) continue;
    if (row.first_seq > expected) gaps.push({ first: expected, last: row.first_seq - 1 });
    rows.push(row);
    left -= end - Math.max(expected, row.first_seq);
    bytes += row.body.length;
    expected = end;
    if (left <= 0 || bytes >= maxBytes) return { rows, gaps };
  }
  if (expected <= head) gaps.push({ first: expected, last: head });
  return { rows, gaps };
}

import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { readSegment, type SegmentContent } from '../segment-reader.ts';
import { carveSegments } from './carve.ts';
import { Journal } from './journal.ts';
import { mendHeader, mergeLog, quote, Wreck } from './salvage.ts';
import { createSegmentTable, segmentTable, segmentTableOf } from './schema.ts';

export interface RebuildReport {
  /** Records that are known to have been there and are not any more. */
  readonly lostRecords: number;
  /** Not even the names of the streams could be read: numbering had to start anew, far above. */
  readonly startedOver: boolean;
}

/** Tables with their own rules; those of modules are copied row by row. */
const OWN = new Set(['stream', 'cursor', 'damage', 'device', 'state', 'module']);

/**
 * Fills a fresh database (migrated, empty) with what can be read of a damaged one. All counters are worked out again
 * from what was found; ranges of records that are missing are noted as damage, so that the audit counts them.
 * @param heads the newest seq per stream that is known otherwise: numbers are never given out twice
 */
export function rebuild(
  db: DatabaseSync,
  wreckFile: string,
  heads: ReadonlyMap<string, number>,
): RebuildReport {
  mendHeader(wreckFile);
  mergeLog(wreckFile);
  const wreck = new Wreck(wreckFile);
  try {
    db.exec('BEGIN IMMEDIATE');
    const streams = findStreams(wreck);
    const floors = new Map<number, number>();
    for (const stream of streams.values()) floors.set(stream.id, restoreStream(db, wreck, stream));
    carve(db, wreckFile, floors);
    copyRows(db, wreck, 'cursor');
    copyRows(db, wreck, 'damage');
    copyRows(db, wreck, 'device');
    copyRows(db, wreck, 'state');
    for (const table of moduleTables(db)) copyRows(db, wreck, table);
    const lostRecords = new Journal(db).reconcile(heads);
    db.exec('COMMIT');
    return { lostRecords, startedOver: streams.size === 0 };
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  } finally {
    wreck.close();
  }
}

type Row = Record<string, SQLInputValue>;

interface FoundStream {
  readonly id: number;
  readonly name: string;
  readonly row: Row | undefined;
}

function findStreams(wreck: Wreck): Map<number, FoundStream> {
  const found = new Map<number, FoundStream>();
  const names = new Set<string>();
  for (const [table, sql] of wreck.tables) {
    const named = segmentTableOf(table, sql);
    if (named === undefined || names.has(named.name)) continue;
    names.add(named.name);
    found.set(named.id, { ...named, row: undefined });
  }
  for (const row of wreck.rows('stream')) {
    const id = wholeNumber(row.id);
    const known = id === undefined ? undefined : found.get(id);
    if (id === undefined || id === 0) continue;
    if (known === undefined) {
      // The entry of its segment table in the schema is lost: this row still knows its name.
      if (typeof row.name !== 'string' || names.has(row.name)) continue;
      names.add(row.name);
      found.set(id, { id, name: row.name, row });
    } else if (known.row === undefined) {
      found.set(id, { ...known, row });
    }
  }
  return found;
}

const COUNTERS = ['base', 'head', 'tail', 'accepted', 'forwarded', 'expired', 'deleted'] as const;

/** Carries a stream over with the segments its tree leads to. Returns the oldest seq that is still wanted. */
function restoreStream(db: DatabaseSync, wreck: Wreck, stream: FoundStream): number {
  const counters = COUNTERS.map((name) => wholeNumber(stream.row?.[name]) ?? 0);
  db.prepare(
    `INSERT INTO stream (id, name, ${COUNTERS.join(', ')}) VALUES (?, ?, ${COUNTERS.map(() => '?').join(', ')})`,
  ).run(stream.id, stream.name, ...counters);
  createSegmentTable(db, stream.id, stream.name);
  const insert = insertSegment(db, stream.id);
  const tail = wholeNumber(stream.row?.tail);
  let oldest = tail === undefined || tail === 0 ? Number.POSITIVE_INFINITY : tail;
  for (const row of wreck.rowsById(segmentTable(stream.id))) {
    if (!(row.body instanceof Uint8Array)) continue;
    const content = readSegment(row.body);
    if (content === null || content.head.streamId !== stream.id) continue;
    insert(content, row.body);
    oldest = Math.min(oldest, content.head.firstSeq);
  }
  return Number.isFinite(oldest) ? oldest : 0;
}

/** Adds segments that no tree leads to any more. Older ones than `floors` were deleted on purpose. */
function carve(db: DatabaseSync, wreckFile: string, floors: ReadonlyMap<number, number>): void {
  const inserts = new Map([...floors.keys()].map((id) => [id, insertSegment(db, id)]));
  for (const { head, body } of carveSegments(wreckFile)) {
    if (head.firstSeq < (floors.get(head.streamId) ?? Number.POSITIVE_INFINITY)) continue;
    const content = readSegment(body);
    if (content !== null) inserts.get(head.streamId)?.(content, body);
  }
}

/**
 * The head inside the blob has a checksum, the columns of the row have none: the head is what counts. Of two versions
 * of a segment a whole one is kept.
 */
function insertSegment(db: DatabaseSync, id: number): (content: SegmentContent, body: Uint8Array) => void {
  const into = `INTO ${segmentTable(id)} (first_seq, count, first_arrival, last_arrival, body) VALUES (?, ?, ?, ?, ?)`;
  const whole = db.prepare(`INSERT OR REPLACE ${into}`);
  const partial = db.prepare(`INSERT OR IGNORE ${into}`);
  return ({ head, records, damaged }, body) => {
    const { firstSeq, count, firstArrival } = head;
    const lastArrival = records[records.length - 1]?.arrival ?? firstArrival;
    (damaged.length === 0 ? whole : partial).run(firstSeq, count, firstArrival, lastArrival, body);
  };
}

function copyRows(db: DatabaseSync, wreck: Wreck, table: string): void {
  const columns = db.prepare(`PRAGMA table_info(${quote(table)})`).all() as unknown as { name: string }[];
  const names = columns.map((column) => quote(column.name)).join(', ');
  const insert = db.prepare(
    `INSERT OR IGNORE INTO ${quote(table)} (${names}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  for (const row of wreck.rows(table)) insert.run(...columns.map((column) => row[column.name] ?? null));
}

function moduleTables(db: DatabaseSync): string[] {
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as unknown as {
    name: string;
  }[];
  return rows
    .map((row) => row.name)
    .filter((name) => !OWN.has(name) && !name.startsWith('segment_') && !name.startsWith('sqlite_'));
}

function wholeNumber(value: SQLInputValue | undefined): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

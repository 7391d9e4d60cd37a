import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { readSegment } from '../segment-reader.ts';
import { Journal } from './journal.ts';
import { mendHeader, quote, Wreck } from './salvage.ts';
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
  const wreck = new Wreck(wreckFile);
  try {
    db.exec('BEGIN IMMEDIATE');
    const streams = findStreams(wreck);
    for (const stream of streams.values()) restoreStream(db, wreck, stream);
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
    if (known !== undefined && known.row === undefined) found.set(known.id, { ...known, row });
  }
  return found;
}

const COUNTERS = ['base', 'head', 'tail', 'accepted', 'forwarded', 'expired', 'deleted'] as const;

function restoreStream(db: DatabaseSync, wreck: Wreck, stream: FoundStream): void {
  const counters = COUNTERS.map((name) => wholeNumber(stream.row?.[name]) ?? 0);
  db.prepare(
    `INSERT INTO stream (id, name, ${COUNTERS.join(', ')}) VALUES (?, ?, ${COUNTERS.map(() => '?').join(', ')})`,
  ).run(stream.id, stream.name, ...counters);
  createSegmentTable(db, stream.id, stream.name);
  const insert = db.prepare(
    `INSERT OR IGNORE INTO ${segmentTable(stream.id)} (first_seq, count, first_arrival, last_arrival, body)
      VALUES (?, ?, ?, ?, ?)`,
  );
  for (const row of wreck.rowsById(segmentTable(stream.id))) {
    if (!(row.body instanceof Uint8Array)) continue;
    // The head inside the blob has a checksum, the columns have none: the head is what counts.
    const content = readSegment(row.body);
    if (content === null || content.head.streamId !== stream.id) continue;
    const { firstSeq, count, firstArrival } = content.head;
    const lastArrival = content.records[content.records.length - 1]?.arrival ?? firstArrival;
    insert.run(firstSeq, count, firstArrival, lastArrival, row.body);
  }
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

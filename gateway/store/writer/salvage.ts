import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

import { PAGE_BYTES } from './database.ts';

type Row = Record<string, SQLInputValue>;

/** Rows are copied in portions: one statement that hits a bad page loses no more than its portion. */
const PORTION = 64;
/** Bad regions of one table that are stepped over before the rest is given up. */
const MAX_REGIONS = 200;

/** Reads what can be read of a damaged database, table by table, around the bad pages. */
export class Wreck {
  readonly #db: DatabaseSync | undefined;
  /** SQL of each table that the file still knows. */
  readonly tables: ReadonlyMap<string, string>;

  constructor(file: string) {
    this.#db = openWreck(file);
    this.tables = this.#db === undefined ? new Map() : tablesOf(this.#db);
  }

  /** Rows of a table with a rowid, ascending. */
  *rowsById(table: string): Iterable<Row> {
    const db = this.#db;
    if (db === undefined || !this.tables.has(table)) return;
    let after = 0;
    for (let regions = 0; regions < MAX_REGIONS; ) {
      const portion = portionAfter(db, table, after, PORTION) ?? portionAfter(db, table, after, 1);
      if (portion === undefined) {
        regions++;
        const next = behindBadRegion((from) => portionAfter(db, table, from, 1) !== undefined, after);
        if (next === undefined) return;
        after = next;
        continue;
      }
      if (portion.length === 0) return;
      yield* portion;
      after = Number(portion[portion.length - 1]!._rowid);
    }
  }

  /** Rows of any table: from the front up to the first bad page, then from the back. May repeat rows. */
  *rows(table: string): Iterable<Row> {
    const db = this.#db;
    if (db === undefined || !this.tables.has(table)) return;
    const key = keyOf(db, table);
    if (key.length === 0) return;
    let complete = false;
    for (const direction of ['ASC', 'DESC']) {
      if (complete) return;
      const order = key.map((column) => `${quote(column)} ${direction}`).join(', ');
      try {
        const statement = db.prepare(`SELECT * FROM ${quote(table)} NOT INDEXED ORDER BY ${order}`);
        statement.setReadBigInts(true);
        for (const row of statement.iterate()) yield row as Row;
        complete = true;
      } catch {
        // A bad page ends this direction; what lies behind it comes from the other one.
      }
    }
  }

  close(): void {
    this.#db?.close();
  }
}

/** Bytes of the database header (sqlite.org/fileformat2.html §1.3) that are the same in every database of ours. */
const FIXED_HEADER: readonly (readonly [number, readonly number[]])[] = [
  [0, [...Buffer.from('SQLite format 3\0')]],
  // Page size, WAL for reading and writing, no reserved bytes, payload fractions 64, 32, 32.
  [16, [PAGE_BYTES >> 8, PAGE_BYTES & 255, 2, 2, 0, 64, 32, 32]],
  // Schema format 4.
  [44, [0, 0, 0, 4]],
  // UTF-8.
  [56, [0, 0, 0, 1]],
];

/** Restores what is known of the header, so that one bad bit in it does not make everything unreadable. */
export function mendHeader(file: string): void {
  const fd = openSync(file, 'r+');
  try {
    for (const [at, bytes] of FIXED_HEADER) writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, at);
    const pages = new DataView(new ArrayBuffer(4));
    pages.setUint32(0, Math.floor(fstatSync(fd).size / PAGE_BYTES));
    const counter = new Uint8Array(4);
    readSync(fd, counter, 0, 4, 24);
    writeSync(fd, new Uint8Array(pages.buffer), 0, 4, 28);
    writeSync(fd, counter, 0, 4, 92);
  } finally {
    closeSync(fd);
  }
}

/** Moves what the log beside a damaged database holds into it, as far as SQLite will. */
export function mergeLog(file: string): void {
  try {
    const db = new DatabaseSync(file, { defensive: false });
    try {
      db.exec('PRAGMA writable_schema = ON; PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      db.close();
    }
  } catch {
    // Then the log is read by SQLite where it still can be, and lost to the rest.
  }
}

function openWreck(file: string): DatabaseSync | undefined {
  // Read-only leaves the evidence as it is; it is not always possible when there is a log beside the file.
  for (const readOnly of [true, false]) {
    try {
      const db = new DatabaseSync(file, { readOnly, defensive: false });
      // Tolerates a schema with bad entries: the good ones are usable all the same.
      db.exec('PRAGMA writable_schema = ON');
      db.prepare('SELECT count(*) FROM sqlite_schema').get();
      return db;
    } catch {
      // Tried the other way; when neither works nothing can be read at all.
    }
  }
  return undefined;
}

function tablesOf(db: DatabaseSync): Map<string, string> {
  const tables = new Map<string, string>();
  try {
    for (const row of db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").iterate()) {
      if (typeof row.name === 'string' && typeof row.sql === 'string') tables.set(row.name, row.sql);
    }
  } catch {
    // The schema is damaged from here on: the tables found so far are all there are.
  }
  return tables;
}

/** The next rows after a rowid; undefined when they cannot be read. */
function portionAfter(db: DatabaseSync, table: string, after: number, limit: number): Row[] | undefined {
  try {
    const rows = db
      .prepare(
        `SELECT rowid AS _rowid, * FROM ${quote(table)} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ${limit}`,
      )
      .all(after) as Row[];
    // A damaged tree may lead in circles: only ids that grow are believed.
    let last = after;
    for (const row of rows) {
      const id = Number(row._rowid);
      if (!(id > last)) return undefined;
      last = id;
    }
    return rows;
  } catch {
    return undefined;
  }
}

/**
 * The smallest place behind `after` from which reading works: steps that double, then bisection back.
 * @returns undefined when nothing behind can be read
 */
function behindBadRegion(readable: (from: number) => boolean, after: number): number | undefined {
  let bad = after;
  let step = 1;
  while (!readable(after + step)) {
    bad = after + step;
    step *= 2;
    if (step > Number.MAX_SAFE_INTEGER / 4) return undefined;
  }
  let good = after + step;
  while (good - bad > 1) {
    const middle = bad + Math.floor((good - bad) / 2);
    if (readable(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

function keyOf(db: DatabaseSync, table: string): string[] {
  try {
    const columns = db.prepare(`PRAGMA table_info(${quote(table)})`).all() as unknown as {
      name: string;
      pk: number;
    }[];
    const key = columns.filter((column) => column.pk > 0).sort((a, b) => a.pk - b.pk);
    return key.length > 0 ? key.map((column) => column.name) : ['rowid'];
  } catch {
    return [];
  }
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

import { existsSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { DeviceRow, RebuildNotice } from '../protocol.ts';
import type { StoreModule } from '../types.ts';
import { changePageSize, DATABASE_FILE, databaseFile, openDatabase, walBytes } from './database.ts';
import { loadDevices } from './devices.ts';
import { Inconsistent, isBusy, isCorruption, isDiskFault, isWrongSchema } from './faults.ts';
import { Journal } from './journal.ts';
import { mendLog } from './mend-log.ts';
import { finishReplacement, replaceDatabase, successorFile } from './quarantine.ts';
import { rebuild } from './rebuild.ts';
import { migrate, segmentTable, segmentTableSql } from './schema.ts';

/** Up to this size all pages are checked on opening; larger files are checked as they are used. */
const CHECKED_BYTES = 32 * 1024 * 1024;

export interface OpenOptions {
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  readonly modules: readonly StoreModule[];
  readonly now: number;
}

export interface Opened {
  readonly db: DatabaseSync;
  readonly journal: Journal;
  readonly devices: Map<number, DeviceRow[]>;
  readonly rebuilt: RebuildNotice | undefined;
}

/** Opens the database of a folder. A damaged one is put aside and what can be read of it is carried over. */
export function openOrRebuild(options: OpenOptions): Opened {
  const tables = expectedTables(options.modules);
  finishReplacement(options.dir);
  const log = `${databaseFile(options.dir)}-wal`;
  if (existsSync(log)) mendLog(log);
  try {
    return { ...openChecked(options, tables), rebuilt: undefined };
  } catch (error) {
    if (!isCorruption(error) && !isWrongSchema(error)) throw error;
    return replaceDamaged(options, reasonOf(error), new Map());
  }
}

/**
 * Builds a successor of the damaged database, swaps the two and opens it. Nobody may have it open.
 * @param heads newest seq per stream known from memory, see {@link rebuild}
 */
export function replaceDamaged(
  options: OpenOptions,
  reason: string,
  heads: ReadonlyMap<string, number>,
): Opened {
  const successor = successorFile(options.dir);
  for (const suffix of ['', '-wal', '-shm']) rmSync(successor + suffix, { force: true });
  const db = openDatabase(successor, 'full', walBytes(options.dir));
  let report: ReturnType<typeof rebuild>;
  try {
    migrate(db, options.modules);
    report = rebuild(db, databaseFile(options.dir), heads);
    if (report.startedOver) {
      const base = Math.max(options.now, ...heads.values());
      db.prepare("INSERT INTO meta (key, value) VALUES ('base', ?)").run(Math.floor(base));
    }
  } finally {
    db.close();
  }
  const quarantine = replaceDatabase(options.dir);
  return {
    ...openChecked(options, expectedTables(options.modules)),
    rebuilt: { reason, quarantine, ...report },
  };
}

function openChecked(options: OpenOptions, tables: ReadonlyMap<string, string>): Omit<Opened, 'rebuilt'> {
  const file = databaseFile(options.dir);
  const existed = existsSync(file) && statSync(file).size > 0;
  if (existed) adaptPages(file);
  const db = openDatabase(file, options.durability, walBytes(options.dir));
  try {
    if (existed && statSync(file).size <= CHECKED_BYTES) quickCheck(db);
    migrate(db, options.modules);
    const journal = new Journal(db);
    checkTables(db, journal, tables);
    journal.verify();
    return { db, journal, devices: loadDevices(db, journal) };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Without space for it, or while somebody reads, the pages stay as they are until a later start. */
function adaptPages(file: string): void {
  try {
    changePageSize(file);
  } catch (error) {
    if (!isDiskFault(error) && !isBusy(error)) throw error;
  }
}

function quickCheck(db: DatabaseSync): void {
  const row = db.prepare('PRAGMA quick_check(1)').get() as { quick_check?: unknown } | undefined;
  if (row?.quick_check !== 'ok') throw new Inconsistent(`${DATABASE_FILE}: ${String(row?.quick_check)}`);
}

/**
 * The tables that the migrations make, by name, as made in memory. Throws when a migration is wrong in itself, which
 * must not be taken for damage.
 */
function expectedTables(modules: readonly StoreModule[]): Map<string, string> {
  const db = new DatabaseSync(':memory:');
  try {
    migrate(db, modules);
    return tablesOf(db);
  } finally {
    db.close();
  }
}

/** A flipped bit in the schema may rename a column and break nothing until it is used. */
function checkTables(db: DatabaseSync, journal: Journal, expected: ReadonlyMap<string, string>): void {
  const found = tablesOf(db);
  for (const [name, sql] of expected) {
    if (found.get(name) !== sql)
      throw new Inconsistent(`the schema of table ${name} is not what it should be`);
  }
  for (const stream of journal.streams()) {
    if (found.get(segmentTable(stream.id)) !== segmentTableSql(stream.id, stream.name)) {
      throw new Inconsistent(`the schema of the segments of ${stream.name} is not what it should be`);
    }
  }
}

function tablesOf(db: DatabaseSync): Map<string, string> {
  const rows = db.prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL').all();
  return new Map(rows.map((row) => [String(row.name), String(row.sql)]));
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

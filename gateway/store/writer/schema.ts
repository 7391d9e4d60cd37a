import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { StoreModule } from '../types.ts';
import { isCorruption, isDiskFault } from './faults.ts';

/** SQL of the store's own tables, run once each in order; the table `module` remembers how many have run. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    base INTEGER NOT NULL DEFAULT 0,
    head INTEGER NOT NULL DEFAULT 0,
    tail INTEGER NOT NULL DEFAULT 1,
    records INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    forwarded INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    last_arrival REAL NOT NULL DEFAULT 0,
    devices_as_of INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE cursor (
    consumer TEXT NOT NULL,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lost_to INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    PRIMARY KEY (consumer, stream)
  ) WITHOUT ROWID;
  CREATE TABLE damage (
    stream INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    in_segment INTEGER NOT NULL,
    PRIMARY KEY (stream, first_seq)
  ) WITHOUT ROWID;
  CREATE TABLE device (
    stream INTEGER NOT NULL,
    device TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    last_time REAL NOT NULL,
    last_arrival REAL NOT NULL,
    PRIMARY KEY (stream, device)
  ) WITHOUT ROWID;
  CREATE TABLE state (
    consumer TEXT NOT NULL,
    key TEXT NOT NULL,
    as_of INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (consumer, key)
  ) WITHOUT ROWID;
  `,
];

/** Name under which the store's own migrations are remembered. */
const STORE = 'store';

/** The table of the segments of one stream. Each stream has its own, so that appends stay at the end of a B-tree. */
export function segmentTable(streamId: number): string {
  return `segment_${streamId}`;
}

const NAME_COMMENT = /\/\* stream (\S+) \*\//;

/** The statement carries the name of the stream as a comment, so that it survives damage to the table `stream`. */
export function segmentTableSql(streamId: number, name: string): string {
  const comment = `/* stream ${encodeURIComponent(name).replaceAll('*', '%2A')} */`;
  return `CREATE TABLE ${segmentTable(streamId)} ( ${comment}
      first_seq INTEGER PRIMARY KEY,
      count INTEGER NOT NULL,
      first_arrival REAL NOT NULL,
      last_arrival REAL NOT NULL,
      body BLOB NOT NULL
    )`;
}

export function createSegmentTable(db: DatabaseSync, streamId: number, name: string): void {
  db.exec(segmentTableSql(streamId, name));
}

/** Stream id and name of a segment table by its name and SQL; undefined for other tables. */
export function segmentTableOf(table: string, sql: string): { id: number; name: string } | undefined {
  const id = Number(/^segment_(\d+)$/.exec(table)?.[1]);
  const encoded = NAME_COMMENT.exec(sql)?.[1];
  if (!(id > 0) || encoded === undefined) return undefined;
  try {
    return { id, name: decodeURIComponent(encoded) };
  } catch {
    return undefined; // the comment itself is damaged
  }
}

/** Brings the tables of the store and of its modules up to date. Each migration is one transaction. */
export function migrate(db: DatabaseSync, modules: readonly StoreModule[]): void {
  db.exec(
    'CREATE TABLE IF NOT EXISTS module (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID',
  );
  migrateOne(db, STORE, MIGRATIONS);
  for (const module of modules) migrateOne(db, module.name, module.migrations);
}

function migrateOne(db: DatabaseSync, name: string, migrations: readonly string[]): void {
  const row = db.prepare('SELECT version FROM module WHERE name = ?').get(name) as
    | { version: number }
    | undefined;
  const done = row?.version ?? 0;
  if (done > migrations.length) {
    throw new GatewayError('STORE_VERSION', `store: the tables of "${name}" have version ${done}`, {
      received: done,
      expected: `at most ${migrations.length}`,
    });
  }
  for (let version = done; version < migrations.length; version++) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(migrations[version]!);
      db.prepare(
        'INSERT INTO module (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version',
      ).run(name, version + 1);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      if (isCorruption(error) || isDiskFault(error)) throw error;
      throw new GatewayError('INTERNAL', `store: migration ${version + 1} of "${name}" failed`, {
        cause: error,
      });
    }
  }
}

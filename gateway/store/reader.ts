import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../errors.ts';
import { readSegment } from './segment-reader.ts';
import type { AuditRow, JournalRecord, RecordCodec, StoreModule } from './types.ts';
import { audit } from './writer/audit.ts';
import { databaseFile } from './writer/database.ts';
import { segmentTable } from './writer/schema.ts';

/** A look into the data folder from another process, whether a gateway runs there or not. */
export interface StoreReader {
  /** @param named streams to be listed in any case */
  audit(named: readonly string[]): AuditRow[];
  query<T>(name: string, args?: unknown): T;
  /**
   * Records of a stream that arrived at or after `since`, from the newest segment back, each segment's in order. Damaged
   * records are left out. Nothing when there is no such stream.
   */
  recent<T>(stream: string, codec: RecordCodec<T>, since: number): Iterable<readonly JournalRecord<T>[]>;
  close(): void;
}

/**
 * Opens the database of a data folder for reading only. What it shows is the last commit.
 * @param modules files whose queries are wanted, as in `openStore`
 * @throws GatewayError STORE_IO when there is no database, or it cannot be read
 */
export async function openStoreReader(dir: string, modules: readonly URL[] = []): Promise<StoreReader> {
  const file = databaseFile(dir);
  if (!existsSync(file)) {
    throw new GatewayError('STORE_IO', `store: there is no database in ${dir}`, {
      received: dir,
      expected: 'the data folder of a gateway that has run',
    });
  }
  const loaded = await Promise.all(modules.map(importModule));
  const db = openReadOnly(file);
  return {
    audit: (named) => snapshot(db, () => audit(db, named)),
    query<T>(name: string, args?: unknown): T {
      const [moduleName, queryName = ''] = name.split('.', 2);
      const query = loaded.find((module) => module.name === moduleName)?.queries[queryName];
      if (query === undefined) throw new GatewayError('INTERNAL', `store: there is no query ${name}`);
      return snapshot(db, () => query(db, args as never)) as T;
    },
    recent: (stream, codec, since) => recent(db, stream, codec, since),
    close: () => db.close(),
  };
}

/** One statement per segment, so that no long transaction keeps the gateway from tidying up its log. */
function* recent<T>(
  db: DatabaseSync,
  name: string,
  codec: RecordCodec<T>,
  since: number,
): Generator<readonly JournalRecord<T>[]> {
  const stream = db.prepare('SELECT id FROM stream WHERE name = ?').get(name) as { id: number } | undefined;
  if (stream === undefined) return;
  const table = segmentTable(stream.id);
  const exists = db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table);
  if (exists === undefined) return;
  const before = db.prepare(
    `SELECT first_seq AS firstSeq, last_arrival AS lastArrival, body FROM ${table}
      WHERE first_seq < ? ORDER BY first_seq DESC LIMIT 1`,
  );
  for (let seq = Number.MAX_SAFE_INTEGER; ; ) {
    const row = before.get(seq) as { firstSeq: number; lastArrival: number; body: Uint8Array } | undefined;
    if (row === undefined || row.lastArrival < since) return;
    seq = row.firstSeq;
    const records = readSegment(row.body)?.records ?? [];
    yield records
      .filter(({ arrival }) => arrival >= since)
      .map(({ ordinal, body, ...rest }) => ({
        ...rest,
        seq: row.firstSeq + ordinal,
        value: codec.decode(body),
      }));
  }
}

function openReadOnly(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  } catch (cause) {
    throw new GatewayError('STORE_IO', `store: ${file} cannot be read`, { received: file, cause });
  }
}

/** One transaction, so that all numbers are of the same commit. */
function snapshot<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN');
  try {
    return work();
  } finally {
    db.exec('ROLLBACK');
  }
}

async function importModule(url: URL): Promise<StoreModule> {
  const exports = (await import(url.href)) as { storeModule?: StoreModule };
  if (exports.storeModule === undefined) {
    throw new GatewayError('INTERNAL', `store: ${url.href} exports no storeModule`);
  }
  return exports.storeModule;
}

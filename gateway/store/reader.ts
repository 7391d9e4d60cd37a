import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../errors.ts';
import type { AuditRow, StoreModule } from './types.ts';
import { audit } from './writer/audit.ts';
import { databaseFile } from './writer/database.ts';

/** A look into the data folder from another process, whether a gateway runs there or not. */
export interface StoreReader {
  /** @param named streams to be listed in any case */
  audit(named: readonly string[]): AuditRow[];
  query<T>(name: string, args?: unknown): T;
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
    close: () => db.close(),
  };
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

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { WriterOptions } from '../protocol.ts';

export const DATABASE_FILE = 'gateway.db';

/** The write-ahead log is checkpointed when it has grown by this much, and cut back to it afterwards. */
export const WAL_BYTES = 4 * 1024 * 1024;
const PAGE_BYTES = 4096;
const CACHE_KIB = 4096;

export function databaseFile(dir: string): string {
  return join(dir, DATABASE_FILE);
}

/**
 * Opens the database for writing. Readers of other processes may hold it open at the same time (WAL).
 * Checkpoints are left to the caller, so that no commit waits for one.
 */
export function openDatabase(options: WriterOptions): DatabaseSync {
  const db = new DatabaseSync(databaseFile(options.dir), { timeout: 5000 });
  try {
    db.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${options.durability === 'full' ? 'FULL' : 'NORMAL'};
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${WAL_BYTES};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA temp_store = MEMORY;
      PRAGMA cell_size_check = ON;
      PRAGMA trusted_schema = OFF;
    `);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

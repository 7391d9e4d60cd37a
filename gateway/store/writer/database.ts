import { closeSync, openSync, readSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export const DATABASE_FILE = 'gateway.db';
/**
 * A commit writes each page that it touched, whole. At low rates it touches ten pages for a few hundred bytes of records,
 * so small ones spare flash; smaller than this, large records fall into too many pieces.
 */
export const PAGE_BYTES = 2048;
const FORMER_PAGE_BYTES = 4096;
const CACHE_KIB = 4096;
const MOST_WAL_BYTES = 4 * 1024 * 1024;
const LEAST_WAL_BYTES = 256 * 1024;

export function databaseFile(dir: string): string {
  return join(dir, DATABASE_FILE);
}

/**
 * Size of the write-ahead log at which it is checkpointed, and to which it is cut back: large enough that pages that
 * change with every commit are written to the database once in a while only, small beside the disk.
 */
export function walBytes(dir: string): number {
  const disk = statfsSync(dir);
  return Math.max(LEAST_WAL_BYTES, Math.min(MOST_WAL_BYTES, Math.floor((disk.blocks * disk.bsize) / 16)));
}

/** Page size in the header of a database file (sqlite.org/fileformat2.html §1.3.2), whether it can be right or not. */
function pageBytesOf(file: string): number {
  const fd = openSync(file, 'r');
  try {
    const bytes = new Uint8Array(2);
    readSync(fd, bytes, 0, 2, 16);
    return (bytes[0]! << 8) | bytes[1]!;
  } finally {
    closeSync(fd);
  }
}

/** Gives a database of an older version pages of the present size. Waits for readers. */
export function changePageSize(file: string): void {
  if (pageBytesOf(file) !== FORMER_PAGE_BYTES) return;
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    db.exec(`PRAGMA journal_mode = DELETE; PRAGMA page_size = ${PAGE_BYTES}; VACUUM`);
  } finally {
    db.close();
  }
}

/**
 * Opens a database for writing. Readers of other processes may hold it open at the same time (WAL). Checkpoints are
 * left to the caller, so that no commit waits for one.
 */
export function openDatabase(file: string, durability: 'full' | 'normal', walLimit: number): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5000 });
  try {
    db.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'};
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${walLimit};
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

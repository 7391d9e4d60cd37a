import { mkdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { isBusy, isCorruption } from './faults.ts';

/** A gateway that was just killed may need a moment to be gone. */
const PATIENCE_MS = 500;

/**
 * Makes the folder and keeps a second gateway out of it: an exclusive SQLite lock on a file of its own, so that it vanishes with
 * the process however that ends, while read-only commands can still open the database itself.
 * @returns the function that gives the lock back
 */
export function lockFolder(dir: string): () => void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, 'lock.db');
  try {
    return lockFile(file, dir);
  } catch (error) {
    if (!isCorruption(error)) throw error;
    truncateSync(file, 0);
    return lockFile(file, dir);
  }
}

function lockFile(file: string, dir: string): () => void {
  const db = new DatabaseSync(file, { timeout: PATIENCE_MS });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw error;
    throw new GatewayError('STORE_LOCKED', `store: ${dir} is in use by another gateway`, { received: dir });
  }
  return () => db.close();
}

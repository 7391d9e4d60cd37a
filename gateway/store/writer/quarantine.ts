import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { DATABASE_FILE, databaseFile } from './database.ts';

const FOLDER = 'quarantine';
/** Older ones are deleted, so that a dying disk does not fill itself. */
const KEPT = 3;

/** Where the successor of a damaged database is built. */
export function successorFile(dir: string): string {
  return join(dir, 'rebuilt.db');
}

/**
 * Puts a damaged database aside and its finished successor in its place. A crash at any point leaves either the damaged
 * one or, with {@link finishReplacement}, the successor.
 * @returns the folder where the damaged one is now
 */
export function replaceDatabase(dir: string): string {
  const folder = join(dir, FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const names = quarantined(dir);
  const last = names.length === 0 ? 0 : Number.parseInt(names[names.length - 1]!, 10);
  const target = join(folder, String(last + 1).padStart(6, '0'));
  mkdirSync(target, { mode: 0o700 });
  for (const name of names.slice(0, Math.max(0, names.length + 1 - KEPT))) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  // The log first: a database without its log is damaged, a log without its database is nothing.
  for (const suffix of ['-wal', '']) {
    const file = databaseFile(dir) + suffix;
    if (existsSync(file)) renameSync(file, join(target, DATABASE_FILE + suffix));
  }
  finishReplacement(dir);
  return target;
}

/** Puts a finished successor in the place of a database that was already put aside; drops an unfinished one. */
export function finishReplacement(dir: string): void {
  const successor = successorFile(dir);
  if (!existsSync(successor)) return;
  if (existsSync(databaseFile(dir))) {
    for (const suffix of ['', '-wal', '-shm']) rmSync(successor + suffix, { force: true });
    return;
  }
  rmSync(`${databaseFile(dir)}-shm`, { force: true });
  renameSync(successor, databaseFile(dir));
  syncFolder(dir);
}

/** Names of what was put aside, oldest first. */
export function quarantined(dir: string): string[] {
  const folder = join(dir, FOLDER);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { GatewayError } from '../errors.ts';
import { writeFileAtomic } from '../system/files.ts';

/** Backups kept. */
const MAX_BACKUPS = 20;

export interface FileText {
  readonly text: string;
  /** Tells one text from another (RFC 9110 §8.8.3). */
  readonly etag: string;
}

export const etagOf = (text: string): string =>
  `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;

/** The file as it is; null when there is none. @throws GatewayError CONFIG_UNREADABLE */
export function readSettings(file: string): FileText | null {
  try {
    const text = readFileSync(file, 'utf8');
    return { text, etag: etagOf(text) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new GatewayError('CONFIG_UNREADABLE', `cannot read ${file}`, { received: code, cause: error });
  }
}

/**
 * Replaces the file in one step and keeps the old text beside it under the next number. Answers where that is, null
 * when there was none.
 * @param seen ETag of the text that the writer has seen; null: that there is none
 * @throws GatewayError SETTINGS_CHANGED, SETTINGS_WRITE
 */
export function writeSettings(file: string, text: string, seen: string | null): string | null {
  const before = readSettings(file);
  if ((before?.etag ?? null) !== seen)
    throw new GatewayError('SETTINGS_CHANGED', `${basename(file)} has changed since it was read`, {
      received: seen ?? 'no file',
      expected: before?.etag ?? 'no file',
    });
  try {
    const backup = before ? keepBeside(file) : null;
    writeFileAtomic(file, text, modeOf(file));
    return backup;
  } catch (error) {
    throw new GatewayError('SETTINGS_WRITE', `cannot write ${file}`, {
      received: (error as NodeJS.ErrnoException).code,
      cause: error,
    });
  }
}

function keepBeside(file: string): string {
  const numbers = backupsOf(file);
  const backup = `${file}.${(numbers.at(-1) ?? 0) + 1}.bak`;
  copyFileSync(file, backup);
  for (const old of numbers.slice(0, Math.max(0, numbers.length + 1 - MAX_BACKUPS)))
    rmSync(`${file}.${old}.bak`, { force: true });
  return backup;
}

/** Numbers of the backups, ascending. */
function backupsOf(file: string): number[] {
  const name = basename(file);
  return readdirSync(dirname(file))
    .flatMap((one) => {
      const number = one.startsWith(`${name}.`) ? /^(\d{1,9})\.bak$/.exec(one.slice(name.length + 1)) : null;
      return number ? [Number(number[1])] : [];
    })
    .sort((a, b) => a - b);
}

const modeOf = (file: string): number => (statSync(file, { throwIfNoEntry: false })?.mode ?? 0o644) & 0o777;

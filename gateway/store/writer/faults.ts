import { GatewayError } from '../../errors.ts';
import type { CodedFailure } from '../protocol.ts';

/** SQLite primary result codes (sqlite.org/rescode.html). */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

function resultCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : 0;
}

/** The disk refused: no space, or an I/O error that may pass. */
export function isDiskFault(error: unknown): boolean {
  const code = resultCode(error);
  if (code === SQLITE_FULL || code === SQLITE_IOERR || code === SQLITE_CANTOPEN) return true;
  const system = (error as { code?: unknown } | null)?.code;
  return system === 'ENOSPC' || system === 'EDQUOT' || system === 'EIO' || system === 'EROFS';
}

/** What the database holds contradicts itself, although SQLite could read it. */
export class Inconsistent extends Error {}

export function isCorruption(error: unknown): boolean {
  if (error instanceof Inconsistent) return true;
  const code = resultCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** SQL that always works did not: the schema is not what the migrations made. Only meaningful while opening. */
export function isWrongSchema(error: unknown): boolean {
  return resultCode(error) === SQLITE_ERROR;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY;
}

/** What crosses to the main thread of anything that was thrown here. */
export function asFailure(error: unknown): CodedFailure {
  if (error instanceof GatewayError) return { code: error.code, message: error.message, fix: error.fix };
  const message = error instanceof Error ? error.message : String(error);
  if (isDiskFault(error)) return { code: 'STORE_IO', message: `store: ${message}` };
  const code = (error as { code?: unknown } | null)?.code;
  const fix = (error as { fix?: unknown } | null)?.fix;
  return {
    code: typeof code === 'string' ? code : 'INTERNAL',
    message,
    ...(typeof fix === 'string' ? { fix } : {}),
  };
}

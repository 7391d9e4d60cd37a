import type { GatewayError } from '../errors.ts';
import type { Inbound } from '../ports/source.ts';
import type { JournalStream, NewRecord } from '../store/types.ts';

/** A payload that could not become readings, kept so that a person can see why. */
export interface RejectedDocument {
  /** Of {@link ERROR_CODES}. */
  readonly code: string;
  readonly message: string;
  readonly expected?: string;
  readonly fix: string;
  readonly door: string;
  readonly address: string;
  readonly contentFormat?: number;
  /** Name of the authenticated sender. */
  readonly principal?: string;
  /** Arrival, ms since the epoch. */
  readonly time: number;
  /** Length of the payload as it came. */
  readonly bytes: number;
  /** Base64 of the first {@link MAX_KEPT} bytes of the payload. */
  readonly payload: string;
  readonly truncated: boolean;
}

/** Bytes kept of one payload. */
export const MAX_KEPT = 64 * 1024;
const MAX_ADDRESS = 1024;

/** The record of one rejected payload. All share one device, so that a flood of invented names cannot grow a table. */
export function rejectedRecord(
  stream: string,
  message: Inbound,
  error: GatewayError,
  now: number,
): NewRecord<string> {
  const { payload } = message;
  const kept = payload.subarray(0, MAX_KEPT);
  const document: RejectedDocument = {
    code: error.code,
    message: error.message,
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    fix: error.fix,
    door: message.door,
    address: message.address.slice(0, MAX_ADDRESS).toWellFormed(),
    ...(message.contentFormat === undefined ? {} : { contentFormat: message.contentFormat }),
    ...(message.principal === undefined ? {} : { principal: message.principal.name }),
    time: now,
    bytes: payload.length,
    payload: Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength).toString('base64'),
    truncated: kept.length < payload.length,
  };
  return { device: stream, time: now, flags: 0, value: JSON.stringify(document) };
}

/** The newest payloads kept in a stream's journal of rejected ones, newest first. */
export async function listRejected(
  journal: JournalStream<string>,
  limit: number,
): Promise<{ seq: number; document: RejectedDocument }[]> {
  const records: { seq: number; document: RejectedDocument }[] = [];
  let after = Math.max(0, journal.tail - 1, journal.head - limit);
  while (after < journal.head) {
    const page = await journal.read(after, limit);
    if (page.length === 0) break;
    for (const { seq, value } of page) {
      records.push({ seq, document: JSON.parse(value) as RejectedDocument });
      after = seq;
    }
  }
  return records.reverse().slice(0, limit);
}

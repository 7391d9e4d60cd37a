import type { OwnRequest } from '../check/receipt.ts';
import type { Books } from './books.ts';

/** A request of the payer's own, before it is sent. */
export interface NewRequest {
  readonly id: string;
  /** `name` or `name@version`. */
  readonly model: string;
  readonly sha: Uint8Array;
  readonly body: Uint8Array;
}

/** A request that has no answer yet. */
export interface OpenRequest extends NewRequest {
  readonly sentAt: number;
}

/** Enters a request before it is sent, so that its receipt is known for ours; answers whether it is new. */
export const addRequest = (
  books: Books,
  channel: Uint8Array,
  { id, model, sha, body }: NewRequest,
  now: number,
): boolean =>
  books.run(
    'INSERT OR IGNORE INTO payer_requests (channel, id, model, sha, bytes, body, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[channel, id, model, sha, body.length, body, now],
  ) > 0;

interface RequestRow {
  readonly id: string;
  readonly model: string;
  readonly sha: Uint8Array;
  readonly bytes: number;
  readonly body: Uint8Array | null;
  readonly sent_at: number;
  readonly answer_sha: Uint8Array | null;
  readonly answer_bytes: number | null;
  readonly elapsed_ms: number | null;
  readonly failed: string | null;
  readonly billed: number;
}

export function ownRequest(books: Books, channel: Uint8Array, id: string): OwnRequest | undefined {
  const row = books.one<RequestRow>('SELECT * FROM payer_requests WHERE channel = ? AND id = ?', channel, id);
  if (!row) return undefined;
  const { model, sha, bytes, answer_sha, answer_bytes, elapsed_ms } = row;
  return {
    ...{ model, sha, bytes, billed: row.billed !== 0, failed: row.failed ?? undefined },
    ...(answer_sha
      ? { answer: { sha: answer_sha, bytes: answer_bytes ?? 0, elapsedMs: elapsed_ms ?? undefined } }
      : {}),
  };
}

/** What came for a request: an answer, by its hash, or a terminal error. The first stays. */
export type Answered =
  | { readonly sha: Uint8Array; readonly bytes: number; readonly elapsedMs: number | undefined }
  | { readonly failed: string };

export const noteAnswer = (
  books: Books,
  channel: Uint8Array,
  id: string,
  answer: Answered,
  now: number,
): boolean =>
  'failed' in answer
    ? books.run(
        'UPDATE payer_requests SET answered_at = ?, failed = ?, body = NULL WHERE channel = ? AND id = ? AND answered_at IS NULL',
        ...[now, answer.failed, channel, id],
      ) > 0
    : books.run(
        `UPDATE payer_requests SET answered_at = ?, answer_sha = ?, answer_bytes = ?, elapsed_ms = ?, body = NULL
         WHERE channel = ? AND id = ? AND answered_at IS NULL`,
        ...[now, answer.sha, answer.bytes, answer.elapsedMs ?? null, channel, id],
      ) > 0;

/** One that has no answer. */
export const openRequest = (books: Books, channel: Uint8Array, id: string): OpenRequest | undefined => {
  const sql = 'SELECT * FROM payer_requests WHERE channel = ? AND id = ? AND answered_at IS NULL';
  const row = books.one<RequestRow>(sql, channel, id);
  return row && openOf(row);
};

const openOf = ({ id, model, sha, body, sent_at }: RequestRow): OpenRequest => ({
  ...{ id, model, sha, body: body!, sentAt: sent_at },
});

/** Oldest first. */
export const openRequests = (books: Books, channel: Uint8Array, limit: number): OpenRequest[] =>
  books
    .all<RequestRow>(
      'SELECT * FROM payer_requests WHERE channel = ? AND answered_at IS NULL ORDER BY sent_at LIMIT ?',
      channel,
      limit,
    )
    .map(openOf);

export const countOpen = (books: Books, channel: Uint8Array): number =>
  books.one<{ n: number }>(
    'SELECT count(*) AS n FROM payer_requests WHERE channel = ? AND answered_at IS NULL',
    channel,
  )!.n;

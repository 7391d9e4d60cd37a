import type { Books } from './books.ts';

/** How long the books keep what is over, and how large they may grow. */
export interface Retention {
  /** Milliseconds. */
  readonly keep: number;
  readonly maxBytes: number;
}

export const DEFAULT_RETENTION: Retention = { keep: 90 * 86_400_000, maxBytes: 512 * 1024 * 1024 };

/** Rows taken away at a time, so that no transaction gets long. */
const CHUNK = 5000;

/**
 * Takes away what is older than `keep`, and then the oldest until the file holds at most `maxBytes`. What protects the payer
 * stays: open requests, receipts that are not acknowledged, the newest acknowledgement and ceiling, heads. Answers how many
 * rows went.
 */
export function prune(books: Books, { keep, maxBytes }: Retention, now: number): number {
  let gone = pruneBefore(books, now - keep);
  while (bytesUsed(books) > maxBytes) {
    const oldest = books.one<{ at: number | null }>(
      'SELECT min(received_at) AS at FROM payer_receipts WHERE checked_at IS NOT NULL',
    );
    if (oldest?.at === null || oldest === undefined) break;
    const step = pruneBefore(books, oldest.at + Math.max(1, (now - oldest.at) / 10));
    if (step === 0) break;
    gone += step;
  }
  return gone;
}

function pruneBefore(books: Books, before: number): number {
  let gone = 0;
  for (const sql of EXPIRED) {
    let step: number;
    do {
      step = books.run(sql, before, CHUNK);
      gone += step;
    } while (step === CHUNK);
  }
  return gone;
}

const ACKED = '(SELECT acked_seq FROM payer_channels c WHERE c.id = channel)';
const EXPIRED = [
  `DELETE FROM payer_receipts WHERE rowid IN (
     SELECT rowid FROM payer_receipts WHERE received_at < ? AND seq < ${ACKED} LIMIT ?)`,
  // A request that was answered and not billed yet stays: its receipt may come.
  `DELETE FROM payer_requests WHERE (channel, id) IN (
     SELECT channel, id FROM payer_requests WHERE answered_at < ? AND (billed = 1 OR failed IS NOT NULL) LIMIT ?)`,
  `DELETE FROM payer_acks WHERE (channel, seq) IN (
     SELECT channel, seq FROM payer_acks WHERE signed_at < ? AND seq < ${ACKED} LIMIT ?)`,
  `DELETE FROM payer_ceilings WHERE id IN (
     SELECT id FROM payer_ceilings c WHERE signed_at < ?
       AND id < (SELECT max(id) FROM payer_ceilings n WHERE n.channel = c.channel) LIMIT ?)`,
];

/** Bytes in use, free pages not counted. */
export function bytesUsed(books: Books): number {
  const { page_size: size } = books.one<{ page_size: number }>('PRAGMA page_size')!;
  const { page_count: pages } = books.one<{ page_count: number }>('PRAGMA page_count')!;
  const { freelist_count: free } = books.one<{ freelist_count: number }>('PRAGMA freelist_count')!;
  return (pages - free) * size;
}

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { canonicalJson } from '../../billing/formats/canonical-json.ts';
import {
  type ReceiptEvidence,
  readReceipt,
  type SignedStatement,
  writeReceipt,
} from '../../billing/formats/wire.ts';
import type { Accepted } from '../check/receipt.ts';
import type { Books } from './books.ts';
import { addSpent } from './limits-table.ts';

/** Receipts that may wait for an earlier one. More are asked for again later. */
export const MAX_AHEAD = 4096;
/** Heads kept that are about receipts not checked yet. */
const MAX_HEADS_AHEAD = 1024;

/** Hash of the receipt at a number; undefined when there is none (yet, or any more). */
export const storedHash = (books: Books, channel: Uint8Array, seq: number): Uint8Array | undefined =>
  books.one<{ hash: Uint8Array }>(
    'SELECT hash FROM payer_receipts WHERE channel = ? AND seq = ?',
    channel,
    seq,
  )?.hash;

/** Keeps a receipt until its turn comes. */
export function addReceipt(books: Books, evidence: ReceiptEvidence, now: number): void {
  const { receipt, model, hash } = evidence;
  const { channelId, seq, requestId, amount, cumulative } = receipt;
  const { head: _, ...rest } = evidence;
  books.run(
    `INSERT OR IGNORE INTO payer_receipts (channel, seq, hash, request_id, model, amount, cumulative, document, received_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[channelId, seq, hash, requestId, model.name, String(amount), String(cumulative)],
    ...[deflateRawSync(canonicalJson(writeReceipt(rest))), now],
  );
}

export function storedReceipt(books: Books, channel: Uint8Array, seq: number): ReceiptEvidence | undefined {
  const row = books.one<{ document: Uint8Array }>(
    'SELECT document FROM payer_receipts WHERE channel = ? AND seq = ?',
    channel,
    seq,
  );
  return row && readReceipt(JSON.parse(inflateRawSync(row.document).toString('utf8')));
}

/** Takes a receipt as checked: the channel moves on to it. Part of one transaction. */
export function takeReceipt(
  books: Books,
  { receipt, model }: ReceiptEvidence,
  next: Accepted,
  now: number,
): void {
  const { channelId, requestId, amount } = receipt;
  books.run(
    'UPDATE payer_channels SET seq = ?, cumulative = ?, hash = ?, counted = ? WHERE id = ?',
    ...[next.seq, String(next.cumulative), next.hash, next.counted ? JSON.stringify(next.counted) : null],
    channelId,
  );
  books.run(
    'UPDATE payer_receipts SET checked_at = ? WHERE channel = ? AND seq = ?',
    ...[now, channelId, next.seq],
  );
  books.run('UPDATE payer_requests SET billed = 1 WHERE channel = ? AND id = ?', channelId, requestId);
  addSpent(books, model.name, amount);
}

/** The first number above the checked ones that is missing while a later one is here; undefined without a gap. */
export function gapAfter(books: Books, channel: Uint8Array, seq: number): number | undefined {
  const here = books.all<{ seq: number }>(
    'SELECT seq FROM payer_receipts WHERE channel = ? AND seq > ? ORDER BY seq',
    channel,
    seq,
  );
  let next = seq + 1;
  for (const row of here) {
    if (row.seq !== next) return next;
    next++;
  }
  const head = books.one<{ seq: number | null }>(
    'SELECT max(seq) AS seq FROM payer_heads WHERE channel = ?',
    channel,
  );
  return (head?.seq ?? 0) >= next ? next : undefined;
}

export interface StoredHead extends SignedStatement {
  readonly receivedAt: number;
}

/** Keeps a head that the device has signed: it may refute a claim one day. */
export function addHead(
  books: Books,
  channel: Uint8Array,
  seq: number,
  head: SignedStatement,
  now: number,
): void {
  const ahead = books.one<{ n: number }>(
    'SELECT count(*) AS n FROM payer_heads WHERE channel = ? AND seq > ?',
    channel,
    seq,
  )!.n;
  if (head.seq > seq && ahead >= MAX_HEADS_AHEAD) return;
  books.run(
    'INSERT OR IGNORE INTO payer_heads VALUES (?, ?, ?, ?, ?, ?)',
    ...[channel, head.seq, head.receiptHash, String(head.cumulative), head.signature, now],
  );
}

export const headsFrom = (books: Books, channel: Uint8Array, seq: number): StoredHead[] =>
  books
    .all<{ seq: number; hash: Uint8Array; cumulative: string; signature: Uint8Array; received_at: number }>(
      'SELECT * FROM payer_heads WHERE channel = ? AND seq >= ? ORDER BY seq',
      channel,
      seq,
    )
    .map((row) => ({
      seq: row.seq,
      cumulative: BigInt(row.cumulative),
      receiptHash: row.hash,
      signature: row.signature,
      receivedAt: row.received_at,
    }));

/**
 * Forgets heads below the newest one that agrees with what was checked: a claim below it that is higher than it is refuted
 * by it, and one that is lower is owed anyway.
 */
export function forgetHeads(books: Books, channel: Uint8Array, seq: number): void {
  const sql =
    'DELETE FROM payer_heads WHERE channel = ? AND seq < (SELECT max(seq) FROM payer_heads WHERE channel = ? AND seq <= ?)';
  books.run(sql, channel, channel, seq);
}

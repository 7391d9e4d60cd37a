import { z } from 'zod';
import { count, limit, time, tokenUnits } from './common.ts';

export const batchView = z.object({
  id: z.number().int(),
  root: z.string(),
  toSeq: z.number().int(),
  receipts: count,
  amount: tokenUnits,
  state: z.string().describe('OPEN, SEALED, SIGNED, SENT, MINED or FINAL'),
  txHash: z.string().nullable(),
  time: time.nullable(),
});

export const billingView = z.object({
  receipts: count.describe('Receipts made, all time'),
  kept: count.describe('Receipts still kept; the oldest settled ones go for age or room'),
  keptSince: time.nullable().describe('When the oldest receipt that is kept was stored'),
  bytes: count.describe('Room that receipts and what belongs to them take'),
  maxBytes: count.describe('Room that they may take'),
  pending: count.describe('Receipts that no final batch holds yet'),
  customers: z
    .object({
      channels: count,
      stopped: count.describe('Nothing more is served on them now'),
      refused: count.describe('Requests since the start'),
      unacknowledged: z.string().describe('Served and not acknowledged, smallest unit of the token'),
      unpaid: z.string(),
    })
    .optional()
    .describe('Channels by which customers pay'),
  amount: z.string().describe('Sum of all receipts, smallest unit of the token'),
  symbol: z.string(),
  decimals: z.number().int().min(0),
  chainId: z.number().int().nullable(),
  batches: z.array(batchView).max(20).describe('Newest first'),
});

/** What is earned and owed, by account. */
export const billingSummary = billingView.extend({
  device: z.string().describe('Address of the device key that signs'),
  ledger: z.string().nullable(),
  settled: tokenUnits.describe('Of the sum, held by batches that the chain has for good'),
  accounts: z
    .array(z.object({ account: z.string(), receipts: count, amount: tokenUnits }))
    .max(200)
    .describe('The largest first'),
});

export const receiptView = z.looseObject({
  seq: z.number().int(),
  requestId: z.string(),
  account: z.string(),
  model: z.string(),
  amount: z.string(),
  cumulative: z.string(),
  hash: z.string(),
  time,
  state: z.string().nullable().describe('State of the batch that holds it'),
});

export const receiptsQuery = z.strictObject({
  limit,
  account: z.string().max(128).optional(),
  before: z
    .string()
    .regex(/^\d{1,9}:\d{1,15}$/)
    .optional()
    .describe('Receipts older than this one (`place`)'),
  batch: z.coerce.number().int().min(1).optional().describe('Only those of this batch'),
});
export type ReceiptsQuery = z.output<typeof receiptsQuery>;

/** `book:ordinal` as lists show it, or a request id (percent-encoded). */
export const receiptDetail = receiptView.extend({
  place: z.string(),
  channel: z.string().describe('Channel id'),
  usage: z.record(z.string(), z.number()).describe('Quantities used'),
  computeUs: z.number(),
  tariffHash: z.string(),
  batch: batchView.nullable(),
  transaction: z.object({ hash: z.string(), block: count.nullable(), sentAt: time.nullable() }).nullable(),
  verdict: z.object({ kind: z.enum(['valid', 'invalid', 'incomplete']), reason: z.string().nullable() }),
});

/** A receipt's proof (format aimx-receipt-proof/1): canonical JSON on one line, as `receipts verify` takes it. */
export const receiptProof = z.looseObject({ format: z.literal('aimx-receipt-proof/1') });

export const batchesQuery = z.strictObject({
  limit,
  before: z.coerce.number().int().min(1).optional().describe('Batches older than this one (`id`)'),
});

export const batchDetail = batchView.extend({
  chainId: count,
  ledger: z.string(),
  device: z.string(),
  fromSeq: z.number().int(),
  head: z.string(),
  prevHead: z.string(),
  signature: z.string(),
  transactions: z.array(
    z.object({
      hash: z.string(),
      nonce: count,
      signedAt: time,
      sentAt: time.nullable(),
      block: count.nullable(),
      gasUsed: count.nullable(),
    }),
  ),
});

export type BatchView = z.output<typeof batchView>;
export type BatchDetail = z.output<typeof batchDetail>;
export type BillingView = z.output<typeof billingView>;
export type BillingSummary = z.output<typeof billingSummary>;
export type ReceiptView = z.output<typeof receiptView>;
export type ReceiptDetail = z.output<typeof receiptDetail>;

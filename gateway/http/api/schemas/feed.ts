import { z } from 'zod';
import { count, id, time } from './common.ts';

export const feedKind = z.enum(['readings', 'results', 'aggregates']);

export const feedQuery = z.strictObject({
  after: z.coerce.number().int().min(0).optional().describe('`next` of the page before'),
  from: z
    .enum(['new', 'oldest'])
    .default('new')
    .describe('Without `after`: behind the newest record, or with the oldest that is kept'),
  device: id.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(500).describe('Records of a page, at most'),
  wait: z.coerce
    .number()
    .int()
    .min(0)
    .max(8000)
    .default(0)
    .describe('Milliseconds to wait for a record when there is none'),
});

export const feedPage = z.object({
  records: z
    .array(
      z.looseObject({
        seq: count.describe('Place in the journal'),
        device: z.string(),
        time: time.describe('Event time; of an aggregate its end'),
      }),
    )
    .describe('Oldest first: `values` by field, or the document as it is published'),
  next: count.describe('Cursor behind all that was looked at'),
  head: count.describe('Place of the newest record'),
  missed: count.describe('Records behind the cursor that the journal no longer has'),
});

export type FeedKind = z.output<typeof feedKind>;
export type FeedQuery = z.output<typeof feedQuery>;
export type FeedPage = z.output<typeof feedPage>;

import { z } from 'zod';
import { count, time } from './common.ts';

export const sinkView = z.object({
  id: z.string(),
  kind: z.string().describe('mqtt, http or file'),
  connected: z.boolean(),
  sent: count,
  backlog: count.describe('Records waiting'),
  backlogBytes: count,
  dropped: count.describe('Records given up: refused by the receiver or over the quota'),
  oldest: time.nullable().describe('Time of the oldest record waiting'),
  lastError: z.string().nullable(),
});

export const sinkDetail = sinkView.extend({
  to: z.string().describe('Address without credentials'),
  sends: z.array(z.string()),
  perSecond: z.number().describe('Records delivered a second, lately'),
  refused: count,
  expired: count,
  quotaBytes: count,
  whenFull: z.enum(['drop-oldest', 'reject-new']),
  forecast: z.object({
    state: z
      .enum(['empty', 'draining', 'growing', 'steady'])
      .describe('empty: nothing waits; steady: neither less nor more'),
    emptyAt: time.nullable().describe('When nothing will wait, if it goes on like this'),
    fullAt: time.nullable().describe('When the quota will be used up, if it goes on like this'),
  }),
  history: z
    .object({ every: count.describe('ms between samples'), backlog: z.array(count), bytes: z.array(count) })
    .describe('Oldest sample first, the newest is of now'),
});

export type SinkView = z.output<typeof sinkView>;
export type SinkDetail = z.output<typeof sinkDetail>;

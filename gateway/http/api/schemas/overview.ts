import { z } from 'zod';
import { count, time, tokenUnits } from './common.ts';

/** The front page: what comes in, what is decided, what goes up, what is owed, and how each part is. */
export const overviewView = z.object({
  gateway: z.string(),
  version: z.string(),
  state: z.enum(['starting', 'ready', 'stopping']),
  startedAt: time,
  now: time,
  location: z.object({ latitude: z.number(), longitude: z.number() }).nullable(),
  parts: z
    .array(
      z.object({
        part: z.enum(['clock', 'doors', 'store', 'models', 'pipelines', 'upstream', 'billing', 'flows']),
        state: z.enum(['ok', 'warning', 'critical', 'off']),
        text: z.string().describe('In a few words, in English'),
        code: z.string().describe('The same as a word for translation, such as `upstream-away`'),
      }),
    )
    .describe('Health of each part'),
  in: z.object({
    perSecond: z.number(),
    history: z.array(z.number()).describe('Readings a second, oldest sample first'),
    accepted: count,
    rejected: count,
    refused: count,
    unrouted: count,
    streams: count,
    devices: count,
    connections: count,
    lastArrival: time.nullable(),
  }),
  decided: z.object({
    perSecond: z.number(),
    history: z.array(z.number()).describe('Results a second, oldest sample first'),
    results: count,
    failed: count,
    shed: count,
    pending: count,
    requests: count.describe('Inference requests answered'),
    p99Ms: z.number().nullable().describe('Of the slowest pipeline'),
  }),
  up: z.object({
    sinks: count,
    connected: count,
    perSecond: z.number(),
    sent: count,
    backlog: count,
    backlogBytes: count,
    dropped: count,
    emptyAt: time.nullable().describe('When nothing will wait, if it goes on like this'),
  }),
  owed: z
    .object({
      amount: tokenUnits,
      pending: count.describe('Receipts that no final batch holds yet'),
      receipts: count,
      symbol: z.string(),
      decimals: count,
      chainId: z.number().int().nullable(),
    })
    .nullable(),
  alarms: z.object({ critical: count, warning: count, info: count, unacknowledged: count }),
  sampleMs: count.describe('Between the samples of the histories'),
});
export type OverviewView = z.output<typeof overviewView>;

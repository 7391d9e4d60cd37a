import { z } from 'zod';
import { alarmView } from './alarms.ts';
import { count, time } from './common.ts';
import { aggregateView, pipelineView, resultView } from './pipelines.ts';
import { billingView } from './receipts.ts';
import { streamView } from './streams.ts';
import { sinkView } from './upstream.ts';

export const healthView = z.object({
  live: z.boolean(),
  ready: z.boolean(),
  reasons: z.array(z.string()).describe('Why it is not ready'),
});

export const statusView = z.object({
  gateway: z.string(),
  version: z.string(),
  state: z.enum(['starting', 'ready', 'stopping']),
  startedAt: time,
  now: time,
  timeSynced: z.boolean(),
  durability: z.string(),
  doors: z.array(z.string()).describe('Addresses it listens on'),
  connections: count.describe('MQTT clients connected'),
  turnedAway: z
    .record(z.string(), count)
    .describe(
      'What bounds of the MQTT broker refused since the start: connections, sessions, queued, retained',
    ),
  store: z.object({
    full: z.boolean(),
    commits: count,
    lastCommitMs: z.number(),
    damagedRecords: count,
    fileBytes: count,
  }),
  modelHost: z.object({
    pid: z.number().int().nullable().describe('Process id; null while it is down'),
    rss: count.describe('Resident bytes at its last heartbeat'),
    restarts: count,
    waiting: count.describe('Windows waiting for a model'),
    inFlight: count,
  }),
  requests: z
    .object({
      inFlight: count.describe('Waiting for their answer now'),
      answered: count.describe('With a result'),
      failed: count.describe('With an error, those that were shed included'),
      shed: count.describe('Refused because too much was waiting'),
      repeated: count.describe('Answered from the ledger'),
      joined: count.describe('Repeated while under way'),
      recovered: count.describe('Run again after a restart'),
    })
    .describe('Inference requests over HTTP, MQTT and CoAP since the start'),
  unrouted: count.describe('Messages that no stream maps'),
  streams: z.array(streamView),
  pipelines: z.array(pipelineView),
  aggregates: z.array(aggregateView),
  upstream: z.array(sinkView),
  billing: billingView.nullable(),
  alarms: z.array(alarmView),
  results: z.array(resultView).max(20).describe('Newest first'),
});

export const ratesView = z.object({
  streams: z.record(z.string(), z.array(z.number())).describe('Readings a second, oldest sample first'),
  pipelines: z.record(z.string(), z.array(z.number())).describe('Results a second'),
});

export const statusWithRates = statusView.extend({ rates: ratesView });

export const rejectedView = z.looseObject({
  stream: z.string(),
  seq: z.number().int(),
  code: z.string(),
  message: z.string(),
  fix: z.string(),
  door: z.string(),
  address: z.string(),
  time,
  bytes: count,
  payload: z.string().describe('Base64 of the first 64 KiB'),
});

export const auditView = z.object({
  stream: z.string(),
  accepted: count,
  forwarded: count,
  pending: count,
  expired: count,
  rejected: count,
  holds: z.boolean(),
  consumers: z.array(z.object({ consumer: z.string(), processed: count, pending: count, expired: count })),
});

export type StatusView = z.output<typeof statusView>;
export type HealthView = z.output<typeof healthView>;
export type RejectedView = z.output<typeof rejectedView>;
export type AuditView = z.output<typeof auditView>;

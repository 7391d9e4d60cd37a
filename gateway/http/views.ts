import { z } from 'zod';
import type { ModelLoad } from './model-metrics.ts';

/**
 * What the HTTP interface shows. It knows no other part of the gateway: the composition root hands it {@link Views},
 * plain functions over whatever the parts tell. The schemas are also the OpenAPI document. Times are milliseconds
 * since the Unix epoch; counts grow since the process started unless said otherwise.
 */

const count = z.number().int().min(0);
const time = z.number();

const alarmView = z.object({
  kind: z.string(),
  severity: z.enum(['info', 'warning', 'critical']),
  message: z.string(),
  fix: z.string(),
});

export const streamView = z.object({
  id: z.string(),
  accepted: count.describe('Readings stored'),
  rejected: count.describe('Payloads put aside because they could not be decoded'),
  refused: count.describe('Messages not stored and not acknowledged'),
  devices: count,
  records: count.describe('Readings kept now'),
  bytes: count.describe('Bytes kept now'),
  lastArrival: time.nullable(),
});

export const pipelineView = z.object({
  id: z.string(),
  from: z.array(z.string()),
  model: z.string(),
  results: count,
  failed: count.describe('Windows the model could not answer'),
  shed: count.describe('Windows given up because of a deadline or a full queue'),
  pending: count.describe('Readings its cursor has not passed'),
  latencyMs: z
    .object({ p50: z.number(), p99: z.number() })
    .nullable()
    .describe('From the arrival of the reading that completed the window to the commit of the result'),
});

export const aggregateView = z.object({ id: z.string(), from: z.string(), produced: count });

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

export const batchView = z.object({
  id: z.number().int(),
  root: z.string(),
  toSeq: z.number().int(),
  receipts: count,
  amount: z.string().describe('Smallest unit of the token'),
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
  amount: z.string().describe('Sum of all receipts, smallest unit of the token'),
  symbol: z.string(),
  decimals: z.number().int().min(0),
  chainId: z.number().int().nullable(),
  batches: z.array(batchView).max(20).describe('Newest first'),
});

export const resultView = z.looseObject({
  id: z.string(),
  pipeline: z.string(),
  device: z.string(),
  time,
  model: z.object({ name: z.string(), version: z.string(), sha256: z.string() }),
  outputs: z.record(z.string(), z.unknown()),
});

export const plotView = z.object({
  kind: z.enum(['stream', 'pipeline']),
  id: z.string(),
  series: z.array(
    z.object({
      device: z.string(),
      name: z.string().describe('Field of the stream or output of the model'),
      unit: z.string().nullable(),
      times: z.array(time).describe('Event times; empty when the values are one array reading'),
      values: z.array(z.number()),
    }),
  ),
});

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

export const deviceView = z.object({
  name: z.string(),
  role: z.string().nullable().describe('Role of its identity; null when it has none (anonymous, CoAP)'),
  streams: z.array(z.object({ stream: z.string(), readings: count, lastTime: time, lastArrival: time })),
});

export const modelView = z.object({
  name: z.string(),
  version: z.string(),
  sha256: z.string(),
  runtime: z.string(),
  state: z.string().describe('serving (in memory), installed (loaded on use) or refused'),
  reason: z.string().nullable(),
  life: z.enum(['staged', 'shadow', 'canary', 'live', 'previous']).describe('What the version is there for'),
  since: time,
  share: z.number().nullable().describe('Of devices and requests that a canary answers'),
  note: z.string().nullable().describe('Why it was taken back'),
  trial: z
    .object({
      requests: count,
      errors: count,
      compared: count.describe("Answers held against the live version's"),
      agreed: count,
      maxDifference: z.number(),
      meanDifference: z.number(),
      computeUs: count,
      liveComputeUs: count,
      skipped: count,
      lastError: z.string().nullable(),
    })
    .nullable()
    .describe('How its trial goes'),
  requests: count,
  failed: count,
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

export type StreamView = z.output<typeof streamView>;
export type PipelineView = z.output<typeof pipelineView>;
export type SinkView = z.output<typeof sinkView>;
export type BillingView = z.output<typeof billingView>;
export type StatusView = z.output<typeof statusView>;
export type HealthView = z.output<typeof healthView>;
export type DeviceView = z.output<typeof deviceView>;
export type PlotView = z.output<typeof plotView>;
export type ModelView = z.output<typeof modelView>;
export type ReceiptView = z.output<typeof receiptView>;
export type ResultView = z.output<typeof resultView>;
export type RejectedView = z.output<typeof rejectedView>;
export type AuditView = z.output<typeof auditView>;

/** How many, at most, and of what. */
export interface ListQuery {
  readonly limit: number;
}

/** Readers that the composition root provides. They are called per request and must be cheap or asynchronous. */
export interface Views {
  health(): HealthView;
  status(): StatusView;
  devices(query: ListQuery & { stream?: string }): readonly DeviceView[];
  models(): readonly ModelView[];
  /** What each version did since the start. */
  modelLoads(): readonly ModelLoad[];
  /** Newest values as short series to draw. */
  plots(): Promise<readonly PlotView[]>;
  /** Newest first. */
  results(
    query: ListQuery & { pipeline?: string; device?: string },
  ): Promise<readonly ResultView[]> | readonly ResultView[];
  /** Newest first. */
  receipts(query: ListQuery & { account?: string }): Promise<readonly ReceiptView[]>;
  /** Newest first. */
  rejected(query: ListQuery & { stream?: string }): Promise<readonly RejectedView[]>;
  audit(): Promise<readonly AuditView[]>;
}

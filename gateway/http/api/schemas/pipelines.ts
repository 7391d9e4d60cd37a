import { z } from 'zod';
import { count, time } from './common.ts';

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

/** Counts per bucket: `counts[i]` values lie in `(bounds[i - 1], bounds[i]]`. */
export const histogramView = z.object({
  unit: z.literal('ms'),
  bounds: z.array(z.number()).describe('Upper edges, ascending'),
  counts: z.array(count).describe('As many as bounds'),
  count,
  sum: z.number(),
});

export const pipelineDetail = pipelineView.extend({
  perSecond: z.number().describe('Results a second, lately'),
  windows: count,
  queued: count.describe('Windows waiting for the model'),
  queueMax: count,
  late: count.describe('Readings that came after their window had closed'),
  keys: count.describe('Devices (keys) with a window under way'),
  stateBytes: count,
  latency: histogramView.describe(
    'Since the start of the process; only buckets between the first and last used',
  ),
  publish: z.object({ topic: z.string(), qos: z.number().int(), when: z.string().nullable() }),
  published: count,
  filtered: count.describe('Results that `publish.when` kept back'),
});

export const aggregateView = z.object({ id: z.string(), from: z.string(), produced: count });

export const resultView = z.looseObject({
  id: z.string(),
  pipeline: z.string(),
  device: z.string(),
  time,
  model: z.object({ name: z.string(), version: z.string(), sha256: z.string() }),
  outputs: z.record(z.string(), z.unknown()),
});

/** A page of a pipeline's results, newest first. */
export const resultPage = z.object({
  results: z.array(
    resultView.extend({ seq: count, notable: z.boolean().describe('Whether `publish.when` holds') }),
  ),
  before: count.nullable().describe('Give it as `before` for the next page; null: there is none'),
});

export const resultsQuery = z.strictObject({
  device: z.string().min(1).max(256).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z.coerce.number().int().min(1).optional().describe('Results older than this one (`seq`)'),
  notable: z.stringbool().default(false).describe('Only those for which `publish.when` holds'),
});
export type ResultsQuery = z.output<typeof resultsQuery>;
export type PipelineView = z.output<typeof pipelineView>;
export type PipelineDetail = z.output<typeof pipelineDetail>;
export type ResultView = z.output<typeof resultView>;
export type ResultPage = z.output<typeof resultPage>;

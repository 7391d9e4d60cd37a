import { z } from 'zod';
import { count, time } from './common.ts';

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

/** A stream of the list: {@link streamView} and what a person wants to know of it besides. */
export const streamDetail = streamView.extend({
  perSecond: z.number().describe('Readings a second, lately'),
  decode: z.string(),
  fields: z
    .array(z.object({ name: z.string(), unit: z.string().nullable(), type: z.string() }))
    .describe('As configured, or those of the newest reading'),
  doors: z.array(z.string()).describe('Topics and paths it listens at'),
  pipelines: z.array(z.string()).describe('Pipelines that read it'),
});

const seriesView = z.object({
  device: z.string(),
  field: z.string(),
  unit: z.string().nullable(),
  kind: z
    .enum(['points', 'extremes', 'frame'])
    .describe(
      'points: every reading; extremes: first, least, greatest and last of each bucket, readings as they were; frame: the newest array of the field',
    ),
  count: count.describe('Readings of the period that were looked at'),
  min: z.number().nullable(),
  max: z.number().nullable(),
  mean: z.number().nullable(),
  times: z.array(time).describe('Event times, ascending; empty for a frame'),
  values: z.array(z.number()),
});

export const anomalyView = z.object({
  id: z.string().describe('Of the result'),
  pipeline: z.string(),
  device: z.string(),
  time,
  model: z.object({ name: z.string(), version: z.string() }),
  output: z.string().nullable().describe('The output that tells how bad it is'),
  score: z.number().nullable(),
  label: z.string().nullable(),
});

export const readingsView = z.object({
  stream: z.string(),
  from: time,
  to: time,
  records: count.describe('Readings in the part of the journal that holds the period'),
  read: count.describe('Of these, looked at'),
  complete: z
    .boolean()
    .describe('Whether all were looked at: counts are then exact. Else evenly spread pages of them were'),
  series: z.array(seriesView),
  devicesLeftOut: count.describe('Further devices of the stream; ask for one with `device`'),
  anomalies: z.array(anomalyView).describe('Ascending by time'),
  anomaliesComplete: z.boolean(),
});

export const readingsQuery = z.strictObject({
  device: z.string().min(1).max(256).optional().describe('Default: those that were seen last'),
  field: z.string().min(1).max(256).optional(),
  from: z.coerce.number().optional().describe('Epoch ms; default: as far back as a few thousand readings go'),
  to: z.coerce.number().optional().describe('Epoch ms; default: now'),
  points: z.coerce.number().int().min(16).max(4000).default(600).describe('At most, of each series'),
});
export type ReadingsQuery = z.output<typeof readingsQuery>;
export type ReadingsView = z.output<typeof readingsView>;
export type SeriesView = z.output<typeof seriesView>;
export type AnomalyView = z.output<typeof anomalyView>;
export type StreamView = z.output<typeof streamView>;
export type StreamDetail = z.output<typeof streamDetail>;

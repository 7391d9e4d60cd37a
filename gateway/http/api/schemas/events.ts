import { z } from 'zod';
import { alarmEntry } from './alarms.ts';
import { count, time } from './common.ts';
import { anomalyView } from './streams.ts';

export const eventsQuery = z.strictObject({
  topics: z
    .string()
    .max(2000)
    .default('status,alarms')
    .describe(
      'Separated by commas: status, alarms, readings:STREAM or readings:STREAM:DEVICE, results:PIPELINE or results:PIPELINE:DEVICE. At most 16',
    ),
});

/** What each event carries as JSON in `data`; its name is the topic's first word. */
export const eventSchemas = {
  hello: z.object({ topics: z.array(z.string()), heartbeatMs: count }),
  /** The same as `GET /api/v1/overview`; every 2 s. */
  status: z.looseObject({ state: z.string(), now: time }),
  /** New readings of the last quarter second, thinned where there are more than a screen shows. */
  readings: z.object({
    stream: z.string(),
    series: z.array(
      z.object({ device: z.string(), field: z.string(), times: z.array(time), values: z.array(z.number()) }),
    ),
    count: count.describe('Readings that came'),
    dropped: count.describe('Readings that are not in it'),
  }),
  results: z.object({
    pipeline: z.string(),
    results: z.array(z.looseObject({ id: z.string(), device: z.string(), time })),
    anomalies: z.array(anomalyView),
    count: count.describe('Results that came'),
    dropped: count.describe('Results that are not in it'),
  }),
  alarms: z.object({ alarm: alarmEntry }),
  /** Something was left out because this client did not take it: ask again for what it shows. */
  behind: z.object({ events: count.describe('Left out') }),
};

export type EventName = keyof typeof eventSchemas;

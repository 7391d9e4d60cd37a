import { z } from 'zod';
import { bytes, duration } from '../units.ts';
import { identifier } from './identifier.ts';

export const windowSection = z.union([
  z.strictObject({
    count: z.number().int().min(1).max(1_000_000).describe('Readings in a window'),
    every: z.number().int().min(1).optional().describe('Readings between windows; default: count (tumbling)'),
  }),
  z.strictObject({
    samples: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Samples in a window, however many a reading brings: for waveforms in chunks of any length'),
    every: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('Samples between windows; default: samples (tumbling)'),
  }),
  z.strictObject({
    time: duration.describe('Length of a window'),
    every: duration.optional().describe('Between starts of windows; default: time (tumbling)'),
    by: z.enum(['event', 'arrival']).default('event'),
    lateness: duration.prefault('0s').describe('How late a reading may be, in event time, and still count'),
    rows: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('Resample to this many rows when the model wants a fixed number'),
  }),
  z.strictObject({
    session: duration.describe('A window ends after this long without a reading'),
    by: z.enum(['event', 'arrival']).default('event'),
    max: z.number().int().min(1).default(10_000).describe('Most readings in a session'),
    rows: z.number().int().min(1).optional(),
  }),
]);

export const pipelineSection = z.strictObject({
  id: identifier,
  from: z
    .union([identifier, z.array(identifier).min(2)])
    .describe('A stream, another pipeline, or several streams joined by time'),
  join: z
    .strictObject({
      within: duration.prefault('1s').describe('Readings this close in time belong together'),
      on: z
        .enum(['device', 'none'])
        .default('device')
        .describe('none: readings of all devices join into one vector'),
      mode: z.enum(['nearest', 'last']).default('nearest'),
    })
    .optional(),
  key: z.enum(['device', 'none']).default('device'),
  fields: z
    .array(z.string())
    .optional()
    .describe('Columns handed to the model, in order; default: what the model declares'),
  window: windowSection,
  model: z.string().describe('name or name@version of an installed bundle'),
  deadline: duration.optional().describe('A window that waits longer for the model is shed'),
  queue: z
    .strictObject({
      max: z.number().int().min(1).default(10_000),
      whenFull: z
        .enum(['wait', 'drop-oldest'])
        .default('wait')
        .describe('wait: windows stay in the journal until the model keeps up'),
    })
    .prefault({}),
  publish: z
    .strictObject({
      topic: z.string().optional().describe('Default aimx/result/<pipeline>/<device>'),
      qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
      retain: z.boolean().default(false),
      when: z
        .string()
        .optional()
        .describe('Only results for which this holds: score >= 0.9 and label == "fault"'),
    })
    .prefault({}),
  keep: z
    .strictObject({ maxBytes: bytes.prefault('64MiB'), maxAge: duration.prefault('7d') })
    .prefault({})
    .describe('Retention of the results'),
});

export const aggregateSection = z.strictObject({
  id: identifier.optional().describe('Default: the stream and the length: machine-temperature-60s'),
  from: identifier,
  every: duration,
  stats: z
    .array(
      z
        .string()
        .regex(
          /^(count|min|max|mean|stddev|sum|last|first|p\d{1,2}(\.\d+)?)$/,
          'count, min, max, mean, stddev, sum, first, last or a percentile such as p95',
        ),
    )
    .min(1)
    .default(['count', 'min', 'max', 'mean', 'last']),
  fields: z.array(z.string()).optional(),
  by: z.enum(['event', 'arrival']).default('event'),
  lateness: duration.prefault('0s'),
});

import { z } from 'zod';
import { count, limit, time } from './common.ts';

export const deviceView = z.object({
  name: z.string(),
  role: z.string().nullable().describe('Role of its identity; null when it has none (anonymous, CoAP)'),
  streams: z.array(z.object({ stream: z.string(), readings: count, lastTime: time, lastArrival: time })),
});

const signalView = z
  .object({ field: z.string(), value: z.number(), unit: z.string().nullable(), time })
  .describe('Strength of its radio, or charge of its battery, of its newest reading');

/** A device of the list: {@link deviceView} and what a person looks for. */
export const deviceRow = deviceView.extend({
  readings: count.describe('Over all streams'),
  lastSeen: time.nullable().describe('Arrival of its newest reading'),
  signal: signalView.nullable(),
});

/** One device with its newest values. */
export const deviceDetail = deviceRow.extend({
  createdAt: time.nullable().describe('When its identity was added'),
  newest: z.array(
    z.object({
      stream: z.string(),
      time,
      arrival: time,
      fields: z.array(
        z.object({
          name: z.string(),
          unit: z.string().nullable(),
          value: z
            .union([z.number(), z.string(), z.boolean(), z.null()])
            .describe('Texts are cut at 200 characters'),
          size: count.nullable().describe('Entries of an array, bytes of a blob'),
        }),
      ),
    }),
  ),
  results: z
    .array(z.looseObject({ id: z.string(), pipeline: z.string(), time }))
    .describe('Its newest one of each pipeline'),
});

export const devicesQuery = z.strictObject({
  limit,
  stream: z.string().max(128).optional(),
  search: z.string().max(128).optional().describe('Part of the name, case does not matter'),
  after: z.string().max(256).optional().describe('Names behind this one: the last name of the page before'),
  sort: z
    .enum(['name', 'seen'])
    .default('name')
    .describe('seen: the one heard of last comes first; no `after` then'),
});
export type DevicesQuery = z.output<typeof devicesQuery>;

export const deviceBody = z.strictObject({
  name: z.string().max(128),
  role: z.enum(['device', 'integrator']).default('device'),
});
export const deviceSecret = z.object({
  name: z.string(),
  role: z.string(),
  secret: z.string().describe('Shown only now'),
});

export type DeviceView = z.output<typeof deviceView>;
export type DeviceRow = z.output<typeof deviceRow>;
export type DeviceDetail = z.output<typeof deviceDetail>;

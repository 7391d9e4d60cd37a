import { z } from 'zod';
import { bytes, duration } from '../units.ts';
import { identifier } from './identifier.ts';

const upstreamKind = z.enum(['readings', 'results', 'aggregates', 'alarms', 'receipts']);

export const upstreamSection = z
  .strictObject({
    id: identifier,
    mqtt: z
      .strictObject({
        url: z.string(),
        topic: z.string().default('up/{gateway}/{kind}/{id}/{device}'),
        qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
        protocol: z.enum(['3.1.1', '5']).default('3.1.1'),
        clientId: z.string().optional(),
        username: z.string().optional(),
        passwordFile: z.string().optional(),
        inFlight: z.number().int().min(1).max(10_000).default(100),
      })
      .optional(),
    http: z
      .strictObject({
        url: z.string(),
        timeout: duration.prefault('10s'),
        batch: z.number().int().min(1).max(10_000).default(100),
        bearerFile: z.string().optional().describe('File with a bearer token'),
      })
      .optional(),
    file: z
      .strictObject({
        path: z.string(),
        maxBytes: bytes.prefault('64MiB'),
        keep: z.number().int().min(1).default(5),
      })
      .optional(),
    send: z.array(upstreamKind).min(1).default(['aggregates', 'results']),
    buffer: z
      .strictObject({
        maxBytes: bytes.prefault('512MiB'),
        whenFull: z.enum(['drop-oldest', 'reject-new']).default('drop-oldest'),
      })
      .prefault({}),
  })
  .refine((u) => [u.mqtt, u.http, u.file].filter((x) => x !== undefined).length === 1, {
    message: 'exactly one of mqtt, http, file',
  });

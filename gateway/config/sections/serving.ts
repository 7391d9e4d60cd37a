import { z } from 'zod';
import { bytes, duration } from '../units.ts';

export const servingSection = z
  .strictObject({
    deadline: duration
      .prefault('10s')
      .describe(
        'When a request that names no deadline_ms is answered DEADLINE; models may have shorter ones',
      ),
    maxDeadline: duration.prefault('5m').describe('Longest deadline a request may have'),
    maxBodyBytes: bytes
      .prefault('16MiB')
      .describe(
        'Largest HTTP request body, also after decompression; MQTT and CoAP have limits.maxPacketBytes',
      ),
    maxInFlight: z
      .number()
      .int()
      .min(1)
      .default(4096)
      .describe('Requests waiting for their answer; more are answered QUEUE_FULL'),
    maxInFlightBytes: bytes.prefault('64MiB').describe('Their bodies together'),
    keep: duration
      .prefault('24h')
      .describe('How long the answer to a request with an id is kept for repetitions'),
    maxAnswers: z.number().int().min(1).default(100_000).describe('Kept answers; the oldest go first'),
    maxAnswerBytes: bytes.prefault('64MiB').describe('Kept answers together'),
    replyTopics: z
      .array(z.string())
      .default(['aimx/reply/#'])
      .describe(
        'With an external broker: topics (filters) to which answers may go. The embedded one asks its access rules',
      ),
  })
  .describe('Inference requests over HTTP, MQTT and CoAP');

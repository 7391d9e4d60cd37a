import { z } from 'zod';
import { time } from './common.ts';

/** A report that `aimx-gateway bench` wrote, as lists show it. */
export const benchEntry = z.object({
  id: z.string().describe('Name of its file'),
  time,
  board: z.string(),
  cpu: z.string(),
  models: z.array(z.string()),
  signature: z.enum(['valid', 'invalid', 'unsigned']),
});

/** The whole report, see `gateway/benchmark`. */
export const benchReport = z.looseObject({ createdAt: z.string() });

export type BenchEntry = z.output<typeof benchEntry>;

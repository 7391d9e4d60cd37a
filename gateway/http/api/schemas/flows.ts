import { z } from 'zod';
import { count, time } from './common.ts';

/** How Node-RED does. */
export const flowsView = z.object({
  state: z
    .enum(['off', 'missing', 'stopped', 'idle', 'starting', 'running', 'safe-mode', 'waiting'])
    .describe(
      'missing: Node-RED is not installed; idle: nothing was ever deployed, it starts when somebody opens the editor; safe-mode: loaded and not running, until somebody deploys; waiting: for the next try',
    ),
  version: z.string().nullable(),
  pid: count.nullable(),
  restarts: count.describe('Since the gateway started'),
  lastEnd: z.string().nullable().describe('Why they ended last, and the node that did it'),
  readyAt: time.nullable(),
  snapshot: count.nullable().describe('The deploy that runs'),
});

/** A deploy that is kept. */
export const snapshotView = z.object({
  id: count,
  at: time,
  author: z.string(),
  nodes: count,
  bytes: count,
  sha256: z.string(),
  good: time.nullable().describe('Since when it is known to run without a crash'),
  failed: z.string().nullable().describe('Why it was taken out of service by itself'),
  current: z.boolean(),
});

export const snapshotContentView = z.object({
  id: count,
  at: time,
  author: z.string(),
  flows: z.array(z.unknown()).describe('As Node-RED imports them'),
  credentials: z.unknown().describe('Encrypted with the key of this gateway'),
});

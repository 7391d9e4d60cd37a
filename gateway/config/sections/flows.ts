import { z } from 'zod';
import { bytes, duration } from '../units.ts';

const modules = z.array(
  z.string().regex(/^(?:@[a-z0-9~-][\w.~-]*\/)?(?:[a-z0-9~-][\w.~-]*|\*)$/, 'name modules of npm'),
);

export const flowsSection = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Runs Node-RED in a process of its own, at /flows/'),
    heapMiB: z
      .number()
      .int()
      .min(64)
      .max(16_384)
      .default(256)
      .describe('Most memory for the objects of all flows; beyond it the process ends and begins anew'),
    hangAfter: duration
      .refine((ms) => ms >= 3000, 'at least 3s')
      .prefault('10s')
      .describe(
        'Flows that keep their process this long without a pause are ended; longer on a busy machine',
      ),
    fallback: z
      .strictObject({
        crashes: z.number().int().min(1).max(100).default(3),
        within: duration.prefault('5m'),
        goodAfter: duration.prefault('1m').describe('Flows that ran this long without a crash are good'),
      })
      .prefault({})
      .describe('So many crashes in that time bring back the last good flows'),
    snapshots: z
      .strictObject({
        max: z.number().int().min(2).max(1000).default(50),
        maxBytes: bytes.prefault('32MiB'),
      })
      .prefault({})
      .describe('Every deploy is kept; the oldest go first'),
    palette: z
      .strictObject({
        install: z.boolean().default(false),
        allow: modules.default([]).describe('Names of modules; `@scope/*` takes all of a scope'),
      })
      .refine(({ install, allow }) => !install || allow.length > 0, {
        path: ['allow'],
        message: 'name the modules that may be installed',
      })
      .prefault({})
      .describe('Nodes that may be installed in the editor: none unless allowed here by name'),
    functionModules: modules.default([]).describe('Modules that function nodes may use'),
    user: z
      .string()
      .default('nobody')
      .describe('User of this machine that flows run as, when the gateway was started as root'),
  })
  .describe('Node-RED flows');

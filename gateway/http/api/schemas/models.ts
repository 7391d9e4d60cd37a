import { z } from 'zod';
import { count, time } from './common.ts';

const trialView = z.object({
  requests: count,
  errors: count,
  compared: count.describe("Answers held against the live version's"),
  agreed: count,
  maxDifference: z.number(),
  meanDifference: z.number(),
  computeUs: z.number(),
  liveComputeUs: z.number(),
  skipped: count,
  lastError: z.string().nullable(),
});

export const modelView = z.object({
  name: z.string(),
  version: z.string(),
  sha256: z.string(),
  runtime: z.string(),
  state: z.string().describe('serving (in memory), installed (loaded on use) or refused'),
  reason: z.string().nullable(),
  life: z.enum(['staged', 'shadow', 'canary', 'live', 'previous']).describe('What the version is there for'),
  since: time,
  share: z.number().nullable().describe('Of devices and requests that a canary answers'),
  note: z.string().nullable().describe('Why it was taken back'),
  trial: trialView.nullable().describe('How its trial goes'),
  requests: count,
  failed: count,
});

const tensorView = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number().int()) });

/** All versions of one name, with what a person decides by. */
export const modelFamily = z.object({
  name: z.string(),
  versions: z.array(
    modelView.extend({
      priceClass: z.string(),
      inputs: z.array(tensorView),
      outputs: z.array(tensorView),
      card: z.record(z.string(), z.unknown()).describe('The model card of its bundle'),
      actions: z
        .array(z.enum(['promote', 'rollback', 'shadow', 'canary', 'stage', 'remove']))
        .describe('What may be done with it now'),
    }),
  ),
  pipelines: z.array(z.string()).describe('Pipelines that ask for it'),
});

const histogram = z.object({ bounds: z.array(z.number()), counts: z.array(count), sum: z.number() });

const versionFigures = z.object({
  version: z.string(),
  life: modelView.shape.life,
  runs: count,
  items: count,
  failed: count,
  meanUs: z.number().nullable().describe('Compute time of one row'),
  runMs: histogram.describe('Duration of runs'),
  waitMs: histogram.describe('How long rows waited'),
  failures: z.record(z.string(), count).describe('By code'),
});

/** The live version beside the one on trial. */
export const modelComparison = z.object({
  name: z.string(),
  live: versionFigures.nullable(),
  trials: z.array(
    versionFigures.extend({
      trial: trialView.nullable(),
      limits: z.object({
        sample: count,
        maxErrorRate: z.number(),
        maxDisagreement: z.number(),
        maxLatencyRatio: z.number(),
      }),
      verdict: z
        .enum(['waiting', 'within', 'beyond'])
        .describe('Against the limits: not enough seen yet, within them, or beyond'),
    }),
  ),
});

const versionKey = z.string().min(1).max(64);
const note = z.string().max(500).optional();

/** Bodies of `POST /api/v1/models/{name}/{action}`. */
export const modelActions = {
  promote: z.strictObject({
    version: versionKey,
    force: z
      .boolean()
      .default(false)
      .describe('Also when callers of the live version could not go on with it as they are'),
  }),
  shadow: z.strictObject({ version: versionKey }),
  canary: z.strictObject({
    version: versionKey,
    share: z.number().gt(0).max(1).default(0.1).describe('Of devices and requests'),
  }),
  stage: z.strictObject({ version: versionKey, note }),
  remove: z.strictObject({ version: versionKey }),
  rollback: z.strictObject({ note }),
};

export type ModelView = z.output<typeof modelView>;
export type ModelFamily = z.output<typeof modelFamily>;
export type ModelComparison = z.output<typeof modelComparison>;

import { z } from 'zod';
import { bytes, duration } from '../units.ts';
import { modelServerSection, onnxSection } from './runtimes.ts';

const share = z.number().min(0).max(1);
const sample = z.number().int().min(1).max(100_000);
const ratio = z.number().min(1).max(1000);

const shadowSection = z.strictObject({
  sample: sample
    .default(200)
    .describe('The newest answers that are judged; latency is judged from as many on'),
  maxErrorRate: share.default(0.02).describe('Share of them that may fail'),
  maxDisagreement: share
    .default(0.05)
    .describe(
      "Share of them that may differ from the live version's; beyond it the trial ends with an alarm",
    ),
  maxLatencyRatio: ratio.default(5).describe("Times the live version's mean compute time it may take"),
  tolerance: z
    .strictObject({
      absolute: z.number().min(0).default(1e-3),
      relative: z.number().min(0).default(1e-2),
    })
    .prefault({})
    .describe('Numbers agree within absolute + relative × |live|; labels must be equal'),
  maxWaiting: z
    .number()
    .int()
    .min(1)
    .default(1024)
    .describe('Windows and calls waiting for shadows; what is more is not compared'),
  autoPromote: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('Comparisons within the limits after which a shadow becomes live by itself; 0: never'),
});

const canarySection = z.strictObject({
  sample: sample.default(100).describe('The newest calls that are judged'),
  maxErrorRate: share
    .default(0.02)
    .describe('Share of them it may fail although the live version answers; beyond it, it is taken back'),
  maxDisagreement: share
    .default(0.05)
    .describe(
      "Share of its answers that may differ from the live version's, which computes them too; numbers agree within shadow.tolerance. 1: they are not compared",
    ),
  maxLatencyRatio: ratio.default(5).describe("Times the live version's mean compute time it may take"),
});

export const modelsSection = z.strictObject({
  dir: z
    .string()
    .optional()
    .describe('Folder of installed bundles; default <dataDir>/models, besides the bundled ones'),
  onnx: onnxSection.prefault({}),
  servers: z
    .array(modelServerSection)
    .max(32)
    .default([])
    .describe('Credentials of servers that run models for this gateway'),
  newVersion: z
    .enum(['staged', 'shadow', 'live'])
    .default('staged')
    .describe(
      'What becomes of a higher version added to a model that has a live one. staged: it waits for `models promote`; shadow: it computes beside the live one and is compared; live: it takes over once it has passed its checks. The first version of a model is live at once',
    ),
  signatures: z
    .enum(['required', 'warn', 'off'])
    .default('warn')
    .describe(
      'Whether an added bundle must be signed by one of trustedKeys. warn: others serve with a warning, but not one whose signature does not hold. Bundles that come with the gateway are trusted as it is',
    ),
  trustedKeys: z
    .array(z.string().min(1))
    .max(100)
    .default([])
    .describe('PEM files with public keys (ECDSA P-256, P-384, P-521, Ed25519) of those who may sign models'),
  maxBytes: bytes
    .refine((size) => size >= 128 * 1024 ** 2, 'at least 128MiB')
    .prefault('1GiB')
    .describe(
      'Resident bytes of the model host; above it the models that were used longest ago give way and are loaded again on use',
    ),
  probation: duration
    .prefault('10m')
    .describe(
      'How long the previous version backs one that has become live: it answers what the new one fails, and is live again when that is too much',
    ),
  shadow: shadowSection.prefault({}),
  canary: canarySection.prefault({}),
});

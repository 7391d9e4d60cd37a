import { z } from 'zod';
import { bytes, duration } from '../config/units.ts';
import { DATATYPES } from '../ports/tensor.ts';
import { fileName, nodeSchema, sha256 } from './graph/schema.ts';

/**
 * The schema of `model.yaml`, the manifest of a bundle folder. What each key means stands in its description and, with
 * examples, in this folder's README. Cross-checks between keys are in `manifest-checks.ts`.
 */

const datatype = z.enum(DATATYPES);

const shape = z
  .array(
    z
      .number()
      .int()
      .min(-1)
      .max(2 ** 31),
  )
  .max(8)
  .describe('Row-major dimensions; -1 for the batch and for free dimensions');

/** Free dimensions are not possible where the gateway itself makes the tensor. */
const fixedShape = z
  .array(
    z
      .number()
      .int()
      .min(1)
      .max(2 ** 31),
  )
  .max(8);

const name = z.string().min(1).max(256);
const column = z.array(z.number()).min(1).max(4096);
const key = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'a letter or "_", then letters, digits and "_", at most 64');

const inputSection = z.strictObject({
  name: name.describe('Name of the input in the model file'),
  datatype,
  shape,
  from: z
    .enum(['window', 'request', 'state', 'constant'])
    .describe(
      'window: the preprocessed readings; request: given by the caller under its name; state: kept per device; constant: from this manifest',
    ),
});

const outputSection = z.strictObject({
  name: name.describe('Name of the output in the model file'),
  datatype,
  shape,
  as: key.optional().describe('Its name in results; default: not part of results'),
});

const constantSection = z.strictObject({
  name,
  datatype,
  shape: fixedShape,
  data: z
    .array(z.union([z.number(), z.string(), z.boolean()]))
    .max(65_536)
    .describe('Row-major values'),
});

const stateSection = z.strictObject({
  input: name,
  output: name,
  shape: fixedShape.describe('Shape for one device; 1 at batchAxis'),
  batchAxis: z.number().int().min(0).max(7).default(0),
});

/** One step per idea; a typed transform graph may take the place of this list under a key of its own. */
export const preprocessStep = z.discriminatedUnion('step', [
  z
    .strictObject({ step: z.literal('standardize'), mean: column, std: column })
    .describe('(value - mean) / std, per column; a single number stands for all columns'),
  z
    .strictObject({ step: z.literal('scale'), factor: z.number().default(1), offset: z.number().default(0) })
    .describe('value × factor + offset'),
  z
    .strictObject({
      step: z.literal('zscore'),
      epsilon: z
        .number()
        .min(0)
        .default(1e-6)
        .describe('Added to the standard deviation, so that a constant window becomes zeros'),
    })
    .describe('(value - mean) / (population standard deviation + epsilon), per column of the window itself'),
  z
    .strictObject({ step: z.literal('context'), rows: z.number().int().min(1).max(65_536) })
    .describe('Puts the last rows of the previous window of the same device in front; zeros at first'),
  z
    .strictObject({ step: z.literal('transpose') })
    .describe('From [rows, columns] to [columns, rows]; must be the last step'),
]);

const labels = z.array(z.string().min(1).max(64)).min(1).max(10_000);
const target = { output: key.describe('A result made so far, by its name'), as: key.optional() };

export const postprocessStep = z.discriminatedUnion('step', [
  z
    .strictObject({ step: z.literal('argmax'), ...target, labels: labels.optional() })
    .describe('Index of the largest value, or its label'),
  z.strictObject({ step: z.literal('softmax'), ...target }).describe('exp(x - max) / sum, over all values'),
  z
    .strictObject({
      step: z.literal('threshold'),
      ...target,
      value: z.number(),
      labels: labels.length(2).optional().describe('[below, at or above]; default: false, true'),
    })
    .describe('Whether the first value is at or above `value`'),
  z
    .strictObject({ step: z.literal('scalar'), ...target, index: z.number().int().min(0).default(0) })
    .describe('One of the values as a number'),
  z
    .strictObject({
      step: z.literal('clip'),
      ...target,
      min: z.number().optional(),
      max: z.number().optional(),
    })
    .describe('Limits each value'),
]);

const limitsSection = z.strictObject({
  maxBatch: z.number().int().min(1).max(4096).default(128).describe('Most windows in one run'),
  deadline: duration
    .optional()
    .describe('How long a request from outside may wait when it names no deadline; pipelines wait'),
  maxDelay: duration
    .prefault('0s')
    .describe('How long a batch that is not full waits for more; 0: only while the host is busy'),
  maxRun: duration
    .prefault('10s')
    .describe('A run that takes longer is taken for hung: the model host is restarted'),
  maxTensorBytes: bytes.prefault('64MiB').describe('Largest input or output tensor of one run'),
});

const remoteSection = z
  .strictObject({
    url: z
      .string()
      .refine(
        (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
        'an http:// or https:// address',
      )
      .refine(
        (text) => URL.canParse(text) && new URL(text).username === '',
        'no name or password: see models.servers in gateway.yaml',
      )
      .describe('Address of the server; `/v2/…` is added'),
    model: name.describe('Name of the model on the server'),
    version: z.string().min(1).max(64).optional().describe('Default: which the server chooses'),
    timeout: duration.prefault('5s').describe('How long one call may take, retries included'),
    connections: z.number().int().min(1).max(64).default(4).describe('Calls under way at a time'),
    binary: z
      .boolean()
      .default(true)
      .describe('Whether to use the binary tensor extension when the server has it'),
  })
  .describe('A model on an Open Inference Protocol server: a Triton, a KServe, another gateway');

const cardSection = z.strictObject({
  intendedUse: z.string().min(1),
  limits: z.string().min(1).describe('What it must not be used for, and where it is known to fail'),
  trainingData: z.string().min(1),
  licence: z.string().min(1).describe('SPDX identifier or text'),
  source: z.string().min(1),
  metrics: z.record(z.string(), z.union([z.number(), z.string()])).default({}),
});

export const manifestSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits, ".", "_" and "-", at most 64'),
  version: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/, 'such as 1, 1.2 or 1.2.0-beta')),
  runtime: z
    .enum(['onnx', 'tfjs', 'remote', 'graph'])
    .describe('graph: the nodes under `graph`; remote: the server under `remote`; else the model file'),
  file: fileName.optional().describe('The model file; of onnx and tfjs only'),
  sha256: sha256.optional().describe('Of the model file'),
  files: z
    .array(z.strictObject({ file: fileName, sha256 }))
    .max(1000)
    .default([])
    .describe('Further files of the models: weights beside a model.json, external data'),
  graph: z.array(nodeSchema).min(1).max(256).optional().describe('Models and transforms, one after another'),
  remote: remoteSection.optional(),
  features: z
    .array(z.string().min(1).max(128))
    .max(4096)
    .default([])
    .describe('Stream fields the model wants as columns, in order; empty: any single column'),
  columns: z
    .strictObject({ min: z.number().int().min(1).max(4096), max: z.number().int().min(1).max(4096) })
    .optional()
    .describe('In place of features: the model takes any number of columns in this range'),
  rows: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Rows of one window (before `context`); absent: any number'),
  inputs: z.array(inputSection).max(64),
  outputs: z.array(outputSection).min(1).max(64),
  constants: z.array(constantSection).max(64).default([]),
  state: z.array(stateSection).max(64).default([]),
  preprocess: z.array(preprocessStep).max(32).default([]),
  postprocess: z.array(postprocessStep).max(64).default([]),
  limits: limitsSection.prefault({}),
  priceClass: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)
    .default('standard')
    .describe('Which tariff line bills it'),
  card: cardSection,
});

/** A manifest as it stands after parsing: defaults filled in, sizes in bytes, durations in milliseconds. */
export type Manifest = Omit<ParsedManifest, 'file' | 'sha256'> & {
  /** The model file, or the manifest itself where that says all. */
  readonly file: string;
  /** What names the model in answers and receipts, see `manifest-files.ts`. */
  readonly sha256: string;
};
export type ParsedManifest = z.output<typeof manifestSchema>;
export type PreprocessStep = z.output<typeof preprocessStep>;
export type PostprocessStep = z.output<typeof postprocessStep>;

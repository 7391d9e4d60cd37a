import { z } from 'zod';

/** What `/v2…` takes and gives, for the OpenAPI document: the codec of `gateway/serving` reads it, not these schemas. */

const tensor = z.object({
  name: z.string(),
  datatype: z.string().describe('BOOL UINT8 … UINT64 INT8 … INT64 FP16 FP32 FP64 BYTES'),
  shape: z.array(z.number().int()),
});
const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const inferRequest = z.object({
  id: z
    .string()
    .optional()
    .describe('One answer and one receipt for each; repeat it to get the answer again'),
  parameters: parameters
    .optional()
    .describe(
      'deadline_ms or timeout (µs), priority, sequence_id, sequence_start, sequence_end, binary_data_output',
    ),
  inputs: z.array(
    tensor.extend({
      data: z.array(z.unknown()).optional().describe('Flat or nested; absent with binary_data_size'),
      parameters: parameters.optional(),
    }),
  ),
  outputs: z.array(z.object({ name: z.string(), parameters: parameters.optional() })).optional(),
});
const inferAnswer = z.object({
  id: z.string(),
  model_name: z.string(),
  model_version: z.string(),
  parameters: z.object({ model_sha256: z.string() }),
  outputs: z.array(
    tensor.extend({ data: z.array(z.unknown()).optional(), parameters: parameters.optional() }),
  ),
  receipt: z.object({ id: z.string(), account: z.string() }),
});
const metadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensor),
  outputs: z.array(tensor),
});
const failure = z.object({ error: z.string(), code: z.string(), id: z.string().optional() });

export interface DocumentedRoute {
  readonly method: 'get' | 'post' | 'put';
  /** With `{name}` parameters. */
  readonly path: string;
  readonly summary: string;
  /** Default: inference. */
  readonly tag?: string;
  readonly open?: true;
  /** Other ways to say who calls than the usual ones. */
  readonly security?: readonly object[];
  readonly body?: z.ZodType;
  readonly bodyType?: string;
  readonly answer: z.ZodType;
  readonly answerType?: string;
  readonly status?: number;
}

const anything = z.looseObject({});

const perModel = (end: string, rest: Omit<DocumentedRoute, 'path'>): DocumentedRoute[] => [
  { ...rest, path: `/v2/models/{model}${end}` },
  {
    ...rest,
    path: `/v2/models/{model}/versions/{version}${end}`,
    summary: `${rest.summary}, of one version`,
  },
];

export const INFERENCE_FAILURE: z.ZodType = failure;

export const INFERENCE_API: readonly DocumentedRoute[] = [
  { method: 'get', path: '/v2', summary: 'Server metadata', answer: anything },
  { method: 'get', path: '/v2/health/live', summary: 'Server live', open: true, answer: anything },
  { method: 'get', path: '/v2/health/ready', summary: 'Server ready', open: true, answer: anything },
  { method: 'get', path: '/v2/models', summary: 'Names of the models', answer: anything },
  { method: 'get', path: '/v2/models/stats', summary: 'Statistics of all models', answer: anything },
  {
    method: 'post',
    path: '/v2/repository/index',
    summary: 'Versions with their state',
    answer: z.array(anything),
  },
  ...perModel('', { method: 'get', summary: 'Model metadata', answer: metadata }),
  ...perModel('/ready', { method: 'get', summary: 'Model ready', answer: anything }),
  ...perModel('/config', { method: 'get', summary: 'Model configuration (Triton)', answer: anything }),
  ...perModel('/stats', { method: 'get', summary: 'Statistics (Triton)', answer: anything }),
  ...perModel('/infer', {
    method: 'post',
    summary: 'Inference; binary tensors may follow the JSON (Inference-Header-Content-Length)',
    body: inferRequest,
    answer: inferAnswer,
  }),
];

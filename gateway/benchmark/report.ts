import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

/**
 * A report of `bench`: what this hardware makes of its models. JSON, so that others can compare; read back by
 * {@link parseReport}, because reports come from strangers.
 */

const text = z.string().max(1000);
const amount = z.number().min(0);

const latency = z.object({
  mean: amount,
  p50: amount,
  p90: amount,
  p99: amount,
  max: amount,
  curve: z.array(amount).max(100),
});

const scenarioResult = z.object({
  scenario: z.enum(SCENARIOS as [Scenario, ...Scenario[]]),
  queries: amount,
  samples: amount,
  failed: amount,
  seconds: amount,
  /** Milliseconds per query. */
  latency,
  /** Samples with a result per second. */
  throughput: amount,
  /** Server: samples per second that were sent. */
  rate: amount.optional(),
  /** Server: whether the 99th percentile stayed within the bound, with no failures. */
  withinBound: z.boolean().optional(),
  /** Of the model host; absent where the system does not tell. */
  cpuSeconds: amount.optional(),
  peakRssBytes: amount.optional(),
  energy: z.object({ joules: amount, joulesPerSample: amount, source: text }).optional(),
});

const modelResult = z.object({
  model: z.object({ name: text, version: text, sha256: text }),
  /** `onnx`, `tfjs`, `remote` … with what stands behind it. */
  runtime: text,
  /** From asking for it to its first answer, in ms. */
  loadMs: amount,
  /** Where inputs come from: golden samples of the bundle, or made from the seed. */
  inputs: z.enum(['golden', 'seeded']),
  /** Golden samples that were right on this device; absent when the bundle has none. */
  accuracy: z.object({ samples: amount, right: amount, problem: text.optional() }).optional(),
  scenarios: z.array(scenarioResult).max(16),
  /** Why there is no result. */
  error: z.object({ code: text, message: text }).optional(),
});

export const reportSchema = z.object({
  format: z.literal('aimx-bench/1'),
  createdAt: z.iso.datetime(),
  gateway: text,
  machine: z.object({
    board: text,
    cpu: text,
    cores: amount,
    memoryBytes: amount,
    system: text,
    node: text,
    governor: text,
    load: amount,
  }),
  settings: z.object({ seconds: amount, seed: amount, latencyBoundMs: amount, multiStreamSamples: amount }),
  models: z.array(modelResult).max(1000),
  /** Over everything before it, see `signature.ts`. */
  signature: z
    .object({ device: z.string().regex(/^0x[0-9a-f]{40}$/), value: z.string().regex(/^0x[0-9a-f]{130}$/) })
    .optional(),
});

export type Report = z.output<typeof reportSchema>;
export type ModelResult = Report['models'][number];
export type ScenarioResult = ModelResult['scenarios'][number];

/** Reads a report. Throws BENCH_REPORT when it is none. */
export function parseReport(json: string, file: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new GatewayError('BENCH_REPORT', `${file} is not JSON`, { cause });
  }
  const parsed = reportSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new GatewayError('BENCH_REPORT', `${file}: ${issue?.path.join('.')}: ${issue?.message}`);
}

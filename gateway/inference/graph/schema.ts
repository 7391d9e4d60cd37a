import { z } from 'zod';
import { transformSchema } from './transform-schema.ts';

/**
 * The key `graph` of a manifest: models and transforms one after another, each taking inputs of the bundle and outputs
 * of nodes before it. A reference is the name of an input, the name of a node (its first output), or `node.output`.
 */

const reference = z.string().min(1).max(512);
const nodeName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'a letter or "_", then letters, digits, "_" and "-", at most 64');

/** A file in the bundle folder and what its SHA-256 must be. */
export const fileName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, 'a file name inside the bundle folder');
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits');

const transformNode = z.looseObject({
  name: nodeName,
  transform: z.string(),
  inputs: z
    .union([reference.transform((one) => [one]), z.array(reference).min(1).max(64)])
    .describe('One reference, or a list of them'),
});

const modelNode = z.strictObject({
  name: nodeName,
  model: fileName.describe('A model file of the bundle'),
  runtime: z.enum(['onnx', 'tfjs']).default('onnx'),
  sha256: sha256.describe('Of the model file'),
  inputs: z.record(z.string().min(1).max(256), reference).describe('Input of the model → reference'),
});

/** One node: a transform with its parameters, or a model. */
export const nodeSchema = z.unknown().transform((value, context) => {
  const isModel = typeof value === 'object' && value !== null && 'model' in value;
  const parsed = (isModel ? modelNode : transformNode).safeParse(value);
  if (!parsed.success) return failed(parsed.error, context);
  if (isModel) return { kind: 'model' as const, ...(parsed.data as z.output<typeof modelNode>) };
  const { name, inputs, ...rest } = parsed.data as z.output<typeof transformNode>;
  const transform = transformSchema.safeParse(rest);
  if (!transform.success) return failed(transform.error, context);
  return { kind: 'transform' as const, name, inputs, ...transform.data };
});

function failed(error: z.ZodError, context: z.RefinementCtx): never {
  for (const issue of error.issues)
    context.addIssue({ code: 'custom', message: issue.message, path: [...issue.path] });
  return z.NEVER;
}

export type GraphNode = z.output<typeof nodeSchema>;

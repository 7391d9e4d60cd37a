import { stringify } from 'yaml';
import { parseManifest } from '../../../gateway/inference/bundle.ts';
import { transformSchema } from '../../../gateway/inference/graph/transform-schema.ts';
import { loadGraph } from '../../../gateway/inference/host/graph.ts';
import { makeTransform } from '../../../gateway/inference/host/transforms/index.ts';
import { planOf } from '../../../gateway/inference/plan.ts';
import { createOnnxRunner } from '../../../gateway/inference/runners/onnx.ts';
import type { LoadedModel } from '../../../gateway/ports/model-runner.ts';
import type { Tensor } from '../../../gateway/ports/tensor.ts';
import { CARD } from '../bundles.ts';

export const fp32 = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

export const int = (data: readonly number[]): Tensor => ({
  datatype: 'INT32',
  shape: [data.length],
  data: Int32Array.from(data),
});

export const texts = (tensor: Tensor | undefined): string[] =>
  (tensor!.data as readonly Uint8Array[]).map((bytes) => new TextDecoder().decode(bytes));

export const numbers = (tensor: Tensor | undefined): number[] =>
  Array.from(tensor!.data as Float32Array, Number);

/** Runs one transform of the schema on tensors; its types are those of the tensors, batch free. */
export async function apply(params: object, ...tensors: Tensor[]): Promise<Record<string, Tensor>> {
  const transform = await makeTransform(transformSchema.parse(params), tensors);
  const made = await transform.run(tensors);
  return Object.fromEntries(transform.outputs.map(({ name }, i) => [name, made[i]!]));
}

/** The text of a manifest whose model is a graph. */
export const graphManifest = (rest: Readonly<Record<string, unknown>>): string =>
  stringify({ name: 'chain', version: 1, runtime: 'graph', card: CARD, ...rest });

/** A graph in this process, its model files below `folder`. */
export function openGraph(rest: Readonly<Record<string, unknown>>, folder = '/none'): Promise<LoadedModel> {
  const manifest = parseManifest(graphManifest(rest), 'model.yaml');
  const plan = planOf({ folder, manifest, modelFile: 'model.yaml' });
  const runner = createOnnxRunner();
  return loadGraph(plan.graph!, plan.inputs, (_, file) => runner.load(file));
}

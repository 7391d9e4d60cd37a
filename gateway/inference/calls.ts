import { GatewayError } from '../errors.ts';
import type { TensorRequest } from '../ports/inference.ts';
import type { Tensor, TensorSpec } from '../ports/tensor.ts';
import type { ResultPlan } from './face.ts';
import { ALL } from './frames.ts';
import { fromNumbers, toNumbers } from './host/cast.ts';
import type { Model } from './model.ts';
import { arrayFits, dataBytes, elements } from './tensor-data.ts';

/** Calls with tensors against the face of a model. */

/** The inputs of a call in the order of the model's face. Throws MODEL_SHAPE that says what was expected. */
export function checkedInputs({ key, plan }: Model, inputs: TensorRequest['inputs']): Tensor[] {
  const { face } = plan;
  for (const name in inputs) {
    if (!face.some((spec) => spec.name === name))
      throw misfit(`${key} has no input "${name}"`, name, face.map((spec) => spec.name).join(', ') || 'none');
  }
  const tensors = face.map((spec) => {
    const tensor = Object.hasOwn(inputs, spec.name) ? inputs[spec.name] : undefined;
    const where = `${key}: input "${spec.name}"`;
    if (!tensor) throw misfit(where, 'nothing', specText(spec));
    const { datatype, shape, data } = tensor;
    if (datatype !== spec.datatype || !fits(shape, spec.shape))
      throw misfit(where, specText(tensor), specText(spec));
    if (!arrayFits(datatype, data)) throw misfit(where, 'data of another kind', `data of ${datatype}`);
    const count = elements(shape);
    if (data.length !== count) throw misfit(where, `${data.length} values`, `${count} values`);
    const bytes = dataBytes(data);
    if (bytes > plan.maxTensorBytes)
      throw misfit(where, `${bytes} bytes`, `at most limits.maxTensorBytes, ${plan.maxTensorBytes} bytes`);
    return tensor;
  });
  if (plan.batched) checkRows(key, face, tensors);
  return tensors;
}

/** Inputs of one call have the same number of rows, and at least one. */
function checkRows(key: string, face: readonly TensorSpec[], tensors: readonly Tensor[]): void {
  const rows = tensors[0]!.shape[0]!;
  tensors.forEach(({ shape }, i) => {
    const where = `${key}: input "${face[i]!.name}"`;
    if (shape[0] !== rows) throw misfit(where, `${shape[0]} rows`, `${rows} rows, as "${face[0]!.name}" has`);
    if (rows < 1) throw misfit(where, 'no rows', 'at least one');
  });
}

const fits = (shape: readonly number[], wanted: readonly number[]): boolean =>
  shape.length === wanted.length &&
  shape.every((d, i) => Number.isSafeInteger(d) && d >= 0 && (wanted[i] === -1 || wanted[i] === d));

const specText = ({ datatype, shape }: Pick<TensorSpec, 'datatype' | 'shape'>): string =>
  `${datatype} [${shape.join(', ')}]`;

function misfit(where: string, received: string, expected: string): GatewayError {
  return new GatewayError('MODEL_SHAPE', `${where}: got ${received}, expected ${expected}`, {
    received,
    expected,
  });
}

/** Bits of the results that a call wants. Throws MODEL_SHAPE for one that there is not. */
export function wantedOf({ key, plan }: Model, outputs: readonly string[] | undefined): number {
  if (outputs === undefined) return ALL;
  let bits = 0;
  for (const name of outputs) {
    const i = plan.results.findIndex((result) => result.name === name);
    if (i < 0)
      throw misfit(`${key} has no output "${name}"`, name, plan.results.map((one) => one.name).join(', '));
    if (i < 32) bits |= 1 << i;
  }
  return bits >>> 0;
}

/** A result as it came from a host, as the tensor of the face. Throws MODEL_OUTPUT when it cannot be one. */
export function faceTensor({ name, kind, labels, datatype }: ResultPlan, tensor: Tensor): Tensor {
  if (kind === 'numbers' && tensor.datatype === datatype) return tensor;
  const { shape } = tensor;
  const numbers = toNumbers(tensor.data, tensor.datatype);
  if (datatype !== 'FP32' && datatype !== 'FP64') {
    const wrong = numbers.find((value) => !Number.isInteger(value));
    if (wrong !== undefined)
      throw new GatewayError('MODEL_OUTPUT', `output "${name}" is ${wrong}, which is no ${datatype}`);
  }
  if (kind !== 'label') return { datatype, shape, data: fromNumbers(numbers, datatype) };
  const encoder = new TextEncoder();
  return { datatype, shape, data: Array.from(numbers, (value) => encoder.encode(labels![value])) };
}

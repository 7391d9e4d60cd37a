import { type ErrorCode, GatewayError } from '../errors.ts';
import type { TensorRequest } from '../ports/inference.ts';
import type { Tensor, TensorSpec } from '../ports/tensor.ts';
import type { ResultPlan } from './face.ts';
import { ALL, align, type FrameHeader, HEADER_BYTES, OK, RUN, writeHeader } from './frames.ts';
import { fromNumbers, toNumbers } from './host/cast.ts';
import type { ModelPlan } from './plan.ts';
import { elements, readTensor, tensorBytes, writeTensor } from './tensor-data.ts';

/** Calls with tensors: checked against the face of a model, in frames, and what comes back. */

/** The inputs of a call in the order of the model's face. Throws MODEL_SHAPE that says what was expected. */
export function checkedInputs(key: string, plan: ModelPlan, inputs: TensorRequest['inputs']): Tensor[] {
  for (const name in inputs) {
    if (!plan.face.some((spec) => spec.name === name))
      throw misfit(key, `has no input "${name}"`, name, plan.face.map((spec) => spec.name).join(', '));
  }
  return plan.face.map((spec) => {
    const tensor = inputs[spec.name];
    const expected = specText(spec);
    if (!tensor) throw misfit(key, `needs input "${spec.name}"`, 'nothing', expected);
    const { datatype, shape, data } = tensor;
    if (datatype !== spec.datatype || !fits(shape, spec.shape))
      throw misfit(key, `input "${spec.name}"`, specText(tensor), expected);
    if (data.length !== elements(shape))
      throw misfit(key, `input "${spec.name}"`, `${data.length} values`, `${elements(shape)} values`);
    return tensor;
  });
}

const fits = (shape: readonly number[], wanted: readonly number[]): boolean =>
  shape.length === wanted.length &&
  shape.every((d, i) => Number.isInteger(d) && d >= 0 && (wanted[i] === -1 || wanted[i] === d));

const specText = ({ datatype, shape }: Pick<TensorSpec, 'datatype' | 'shape'>): string =>
  `${datatype} [${shape.join(', ')}]`;

function misfit(key: string, problem: string, received: string, expected: string): GatewayError {
  const code: ErrorCode = 'MODEL_SHAPE';
  return new GatewayError(code, `${key} ${problem}: got ${received}, expected ${expected}`, {
    received,
    expected,
  });
}

/** Bytes of the frame of a call. */
export function callBytes(plan: ModelPlan, tensors: readonly Tensor[], count: number): number {
  let bytes = HEADER_BYTES;
  for (const tensor of tensors) bytes += tensorBytes(tensor);
  for (const { size } of plan.slots) bytes += align(count * size * 4);
  return bytes;
}

export function encodeCall(
  plan: ModelPlan,
  handle: number,
  id: number,
  tensors: readonly Tensor[],
  count: number,
  { buffer, offset }: { readonly buffer: ArrayBuffer; readonly offset: number },
): void {
  let at = offset + HEADER_BYTES;
  tensors.forEach((tensor, i) => {
    at = writeTensor(buffer, at, i, tensor);
  });
  for (const { size } of plan.slots) {
    new Float32Array(buffer, at, count * size).fill(0);
    at += align(count * size * 4);
  }
  const header = { kind: RUN, status: OK, handle, id, items: count, tensors: tensors.length, wanted: ALL };
  writeHeader(buffer, offset, at - offset, header);
}

/** The results of a reply as the tensors of the face. */
export function decodeCall(plan: ModelPlan, header: FrameHeader, frame: Uint8Array): Record<string, Tensor> {
  const outputs: Record<string, Tensor> = {};
  let at = frame.byteOffset + HEADER_BYTES;
  for (let i = 0; i < header.tensors; i++) {
    const { slot, tensor, end } = readTensor(frame.buffer, at);
    const result = plan.results[slot]!;
    outputs[result.name] = faceTensor(result, tensor);
    at = end;
  }
  return outputs;
}

function faceTensor({ name, kind, labels, datatype }: ResultPlan, tensor: Tensor): Tensor {
  if (tensor.datatype === datatype) return tensor;
  const numbers = toNumbers(tensor.data, tensor.datatype);
  if (kind === 'numbers') return { datatype, shape: tensor.shape, data: fromNumbers(numbers, datatype) };
  const wrong = numbers.find((value) => !Number.isInteger(value));
  if (wrong !== undefined)
    throw new GatewayError('MODEL_OUTPUT', `output "${name}" is not a number, so it has no ${kind}`);
  if (kind === 'boolean') return { datatype, shape: tensor.shape, data: fromNumbers(numbers, 'BOOL') };
  const encoder = new TextEncoder();
  const data = Array.from(numbers, (value) => encoder.encode(labels![value]));
  return { datatype, shape: tensor.shape, data };
}

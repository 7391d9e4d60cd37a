import { GatewayError } from '../errors.ts';
import type { Tensor, TensorData } from '../ports/tensor.ts';
import { isBytes } from './tensor-data.ts';

/** Rows `from` to `to` (exclusive) along dimension 0; numbers are a view. */
export function rowsOf({ datatype, shape, data }: Tensor, from: number, to: number): Tensor {
  const per = shape[0] ? data.length / shape[0] : 0;
  const part: TensorData = isBytes(data)
    ? data.slice(from * per, to * per)
    : data.subarray(from * per, to * per);
  return { datatype, shape: [to - from, ...shape.slice(1)], data: part };
}

/** Tensors of one row each, or of the same trailing shape, along dimension 0. Throws MODEL_OUTPUT when they differ. */
export function joinTensors(parts: readonly Tensor[]): Tensor {
  const first = parts[0]!;
  const trailing = first.shape.slice(1);
  const fits = (tensor: Tensor): boolean =>
    tensor.shape.length === first.shape.length && trailing.every((d, i) => tensor.shape[i + 1] === d);
  if (!parts.every(fits) || first.shape.length === 0)
    throw new GatewayError('MODEL_OUTPUT', 'outputs differ in size from row to row; use maxBatch: 1');
  const shape = [parts.reduce((sum, tensor) => sum + tensor.shape[0]!, 0), ...trailing];
  return { datatype: first.datatype, shape, data: joinData(parts.map(({ data }) => data)) };
}

function joinData(parts: readonly TensorData[]): TensorData {
  const first = parts[0]!;
  if (isBytes(first)) return parts.flatMap((part) => part as readonly Uint8Array[]);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const Kind = first.constructor as new (length: number) => Float32Array;
  const joined = new Kind(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part as Float32Array, at);
    at += part.length;
  }
  return joined;
}

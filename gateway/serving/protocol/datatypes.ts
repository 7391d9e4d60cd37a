import type { Datatype, TensorData } from '../../ports/tensor.ts';

export type NumericData = Exclude<TensorData, readonly Uint8Array[]>;
export type NumericDatatype = Exclude<Datatype, 'BYTES'>;

/** Arrays that hold each datatype: FP16 as its bits, BOOL as 0 and 1. */
const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

export const DATATYPES: readonly string[] = [...Object.keys(ARRAYS), 'BYTES'];

export const isDatatype = (value: unknown): value is Datatype => DATATYPES.includes(value as string);

/** Bytes of one element in native size (binary tensor data extension). */
export const sizeOf = (datatype: NumericDatatype): number => ARRAYS[datatype].BYTES_PER_ELEMENT;

/** A view of a datatype on `count` elements; `offset` must be aligned to the size of one. */
export function viewOf(
  datatype: NumericDatatype,
  buffer: ArrayBuffer,
  offset: number,
  count: number,
): NumericData {
  return new ARRAYS[datatype](buffer, offset, count);
}

export const isBytes = (data: TensorData): data is readonly Uint8Array[] => Array.isArray(data);

/** Elements of a shape; 1 for a scalar. */
export function elementsOf(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

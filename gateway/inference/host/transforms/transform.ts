import { GatewayError } from '../../../errors.ts';
import type { Datatype, Tensor, TensorData } from '../../../ports/tensor.ts';
import { isBytes } from '../../tensor-data.ts';
import { toNumbers } from '../cast.ts';
import type { Floats } from '../preprocess.ts';

/** Datatype and shape of a value in a graph; -1 stands for a free dimension. */
export interface TensorType {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** A transform made for the types of its inputs. Keeps nothing between runs. */
export interface Transform {
  /** Outputs by name, the first one is what the name of the node alone means. */
  readonly outputs: readonly (TensorType & { readonly name: string })[];
  /** Whether it takes one item at a time, so that the graph cannot be batched. */
  readonly single?: boolean;
  /** Tensors of {@link outputs} in their order. Throws or rejects with a coded error. */
  run(inputs: readonly Tensor[]): readonly Tensor[] | Promise<readonly Tensor[]>;
}

/** Makes a transform; throws or rejects with {@link wrong} when its inputs or parameters do not fit. */
export type Make<P> = (params: P, inputs: readonly TensorType[]) => Transform | Promise<Transform>;

/** What is wrong with a key of a node, such as `axis` or `inputs`. */
export const wrong = (key: string, message: string): GatewayError =>
  new GatewayError('MODEL_SHAPE', `${key}: ${message}`);

/** The place of an axis among `rank` dimensions. */
export function axisOf(axis: number, rank: number, key = 'axis'): number {
  const place = axis < 0 ? axis + rank : axis;
  if (place < 0 || place >= rank) throw wrong(key, `there is no axis ${axis} among ${rank} dimensions`);
  return place;
}

/** How a tensor falls apart at an axis: `outer` blocks of `length` rows of `inner` values. */
export interface Cut {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

export function cutAt(shape: readonly number[], axis: number): Cut {
  let outer = 1;
  let inner = 1;
  for (let i = 0; i < axis; i++) outer *= shape[i]!;
  for (let i = axis + 1; i < shape.length; i++) inner *= shape[i]!;
  return { outer, length: shape[axis]!, inner };
}

/** FP64 stays; all else is computed in double and kept in single precision. */
export const floatOf = (datatype: Datatype): 'FP32' | 'FP64' => (datatype === 'FP64' ? 'FP64' : 'FP32');

export const newFloats = (datatype: 'FP32' | 'FP64', length: number): Floats =>
  datatype === 'FP64' ? new Float64Array(length) : new Float32Array(length);

/** The values of a tensor of numbers; do not write to them. */
export function numbersOf({ data, datatype }: Tensor): Floats {
  if (isBytes(data)) throw new GatewayError('MODEL_SHAPE', 'expected numbers, found BYTES');
  return toNumbers(data, datatype);
}

/** Throws unless the type is of numbers. */
export function needNumbers({ datatype }: TensorType, key = 'inputs'): void {
  if (datatype === 'BYTES') throw wrong(key, 'expected numbers, found BYTES');
}

/** An empty container of the same kind for `length` elements. */
export function sameKind(data: TensorData, length: number): TensorData {
  if (isBytes(data)) return new Array<Uint8Array>(length);
  return new (data.constructor as new (length: number) => Exclude<TensorData, readonly Uint8Array[]>)(length);
}

/** Copies `count` elements between containers of one kind. */
export function copyData(from: TensorData, at: number, to: TensorData, place: number, count: number): void {
  if (isBytes(from)) {
    for (let i = 0; i < count; i++) (to as Uint8Array[])[place + i] = from[at + i]!;
    return;
  }
  // The two are of one kind; the compiler cannot know that.
  (to as Float64Array).set((from as Float64Array).subarray(at, at + count), place);
}

const encoder = new TextEncoder();

/** Texts as the elements of a BYTES tensor. */
export const encodeLabels = (labels: readonly string[]): readonly Uint8Array[] =>
  labels.map((label) => encoder.encode(label));

/** Elements of a type, -1 when some dimension is free. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const d of shape) {
    if (d === -1) return -1;
    size *= d;
  }
  return size;
}

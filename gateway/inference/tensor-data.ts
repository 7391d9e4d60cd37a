import { DATATYPES, type Datatype, type Tensor, type TensorData } from '../ports/tensor.ts';
import { align } from './frames.ts';

/**
 * A tensor in a frame, at a multiple of 8: `u8 slot, u8 datatype, u8 dimensions, u8 0, u32 bytes of data`, then the
 * dimensions as u32, then the data, each padded to 8. Elements of BYTES are `u32 length` and their bytes.
 */

const CODES = new Map(DATATYPES.map((datatype, code) => [datatype, code]));

type Numbers = Exclude<TensorData, readonly Uint8Array[]>;

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
} as const satisfies Record<Exclude<Datatype, 'BYTES'>, new (length: number) => Numbers>;

/** Whether these are elements of BYTES. */
export const isBytes = (data: TensorData): data is readonly Uint8Array[] => Array.isArray(data);

/** Whether data is held by the kind of array that its datatype has. */
export const arrayFits = (datatype: Datatype, data: TensorData): boolean =>
  datatype === 'BYTES' ? isBytes(data) : data instanceof ARRAYS[datatype];

/** Elements of a shape without free dimensions. */
export function elements(shape: readonly number[]): number {
  let count = 1;
  for (const d of shape) count *= d;
  return count;
}

/** Bytes of data as they stand in a frame, without padding. */
export function dataBytes(data: TensorData): number {
  if (!isBytes(data)) return data.byteLength;
  let bytes = 0;
  for (const element of data) bytes += 4 + element.length;
  return bytes;
}

/** Bytes of a tensor's record but its data. */
export const headBytes = (dimensions: number): number => 8 + align(dimensions * 4);

/** Writes all of a record but its data, which begins at the offset that is returned. */
export function writeHead(
  buffer: ArrayBufferLike,
  offset: number,
  head: {
    readonly slot: number;
    readonly datatype: Datatype;
    readonly shape: readonly number[];
    readonly bytes: number;
  },
): number {
  const { shape } = head;
  const words = new Uint32Array(buffer, offset, 2 + shape.length);
  words[0] = head.slot | (CODES.get(head.datatype)! << 8) | (shape.length << 16);
  words[1] = head.bytes;
  for (let i = 0; i < shape.length; i++) words[2 + i] = shape[i]!;
  return offset + headBytes(shape.length);
}

/** Writes data at an offset and answers the offset behind it, not padded. */
export function writeData(buffer: ArrayBufferLike, offset: number, data: TensorData): number {
  if (!isBytes(data)) {
    const { byteLength } = data;
    new Uint8Array(buffer, offset, byteLength).set(new Uint8Array(data.buffer, data.byteOffset, byteLength));
    return offset + byteLength;
  }
  const view = new DataView(buffer);
  let at = offset;
  for (const element of data) {
    view.setUint32(at, element.length, true);
    new Uint8Array(buffer, at + 4, element.length).set(element);
    at += 4 + element.length;
  }
  return at;
}

/** Writes a whole record and answers the offset behind it. */
export function writeTensor(
  buffer: ArrayBufferLike,
  offset: number,
  slot: number,
  { datatype, shape, data }: Tensor,
): number {
  const at = writeHead(buffer, offset, { slot, datatype, shape, bytes: dataBytes(data) });
  return align(writeData(buffer, at, data));
}

export const tensorBytes = ({ shape, data }: Tensor): number =>
  headBytes(shape.length) + align(dataBytes(data));

export interface ReadTensor {
  readonly slot: number;
  readonly tensor: Tensor;
  /** Where the next record begins. */
  readonly end: number;
}

/** Reads a record in place: the data is a view. Throws a RangeError when it is none. */
export function readTensor(buffer: ArrayBufferLike, offset: number): ReadTensor {
  const [tags, bytes] = new Uint32Array(buffer, offset, 2) as unknown as [number, number];
  const datatype = DATATYPES[(tags >>> 8) & 0xff];
  if (datatype === undefined) throw new RangeError('a tensor of no known datatype');
  const dimensions = (tags >>> 16) & 0xff;
  const sizes = new Uint32Array(buffer, offset + 8, dimensions);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.push(sizes[i]!);
  const at = offset + headBytes(dimensions);
  const end = at + align(bytes);
  const count = elements(shape);
  const data = datatype === 'BYTES' ? readElements(buffer, at, bytes, count) : readNumbers(datatype);
  return { slot: tags & 0xff, tensor: { datatype, shape, data }, end };

  function readNumbers(kind: Exclude<Datatype, 'BYTES'>): Numbers {
    const Kind = ARRAYS[kind];
    if (count * Kind.BYTES_PER_ELEMENT !== bytes)
      throw new RangeError(`${bytes} bytes for ${count} values of ${kind}`);
    return new Kind(buffer as ArrayBuffer, at, count);
  }
}

function readElements(buffer: ArrayBufferLike, offset: number, bytes: number, count: number): Uint8Array[] {
  const view = new DataView(buffer, offset, bytes);
  const list: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(at, true);
    list.push(new Uint8Array(buffer, offset + at + 4, length));
    at += 4 + length;
  }
  return list;
}

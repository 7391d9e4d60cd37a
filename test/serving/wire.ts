import type { Datatype, Tensor, TensorData } from '../../gateway/ports/tensor.ts';

/** A client's side of the protocol, written apart from the gateway's: plain loops, one element at a time. */

export const NUMERIC = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
] as const satisfies readonly Datatype[];

const SIZE: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, FP16: 2 },
  ...{ UINT32: 4, INT32: 4, FP32: 4, UINT64: 8, INT64: 8, FP64: 8 },
};

export type Element = number | bigint | boolean | string | Uint8Array;

/** How each datatype is written. */
const PUT: Readonly<Record<string, (view: DataView, at: number, value: number, wide: bigint) => void>> = {
  BOOL: (view, at, value) => view.setUint8(at, value),
  UINT8: (view, at, value) => view.setUint8(at, value),
  UINT16: (view, at, value) => view.setUint16(at, value, true),
  UINT32: (view, at, value) => view.setUint32(at, value, true),
  UINT64: (view, at, _value, wide) => view.setBigUint64(at, wide, true),
  INT8: (view, at, value) => view.setInt8(at, value),
  INT16: (view, at, value) => view.setInt16(at, value, true),
  INT32: (view, at, value) => view.setInt32(at, value, true),
  INT64: (view, at, _value, wide) => view.setBigInt64(at, wide, true),
  FP16: (view, at, value) => view.setFloat16(at, value, true),
  FP32: (view, at, value) => view.setFloat32(at, value, true),
  FP64: (view, at, value) => view.setFloat64(at, value, true),
};

/** The bytes of the binary tensor data extension. */
export function binaryOf(datatype: Datatype, elements: readonly Element[]): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(
      elements.flatMap((element) => {
        const bytes = Buffer.from(element as string);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
      }),
    );
  }
  const size = SIZE[datatype]!;
  const view = new DataView(new ArrayBuffer(size * elements.length));
  elements.forEach((element, i) => {
    PUT[datatype]!(view, i * size, Number(element), typeof element === 'bigint' ? element : 0n);
  });
  return Buffer.from(view.buffer);
}

/** One element as JSON text. */
export function jsonOf(element: Element): string {
  if (typeof element === 'string') return JSON.stringify(element);
  if (Object.is(element, -0)) return '-0.0';
  return String(element);
}

/** Nested arrays as a client would write them. */
export function nested(elements: readonly string[], shape: readonly number[]): string {
  if (shape.length < 2) return `[${elements.join(',')}]`;
  const [first, ...rest] = shape as [number, ...number[]];
  const size = elements.length / first;
  const parts = Array.from({ length: first }, (_, i) =>
    nested(elements.slice(i * size, (i + 1) * size), rest),
  );
  return `[${parts.join(',')}]`;
}

/** The bytes of a tensor as the gateway holds it, to compare bit for bit. */
export function bytesOf({ data }: Pick<Tensor, 'data'>): Buffer {
  if (Array.isArray(data))
    return Buffer.concat((data as Uint8Array[]).map((element) => Buffer.from(element)));
  const { buffer, byteOffset, byteLength } = data as Exclude<TensorData, readonly Uint8Array[]>;
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

import type { Datatype, Tensor, TensorData } from '../../ports/tensor.ts';
import { isBytes, sizeOf, viewOf } from './datatypes.ts';
import { invalid } from './invalid.ts';

/**
 * Tensors as bytes (binary tensor data extension): little-endian, row-major, no padding; each element of BYTES as its
 * length in four bytes, then itself. Every platform that Node.js runs on here is little-endian.
 */

/** The data of `count` elements from exactly these bytes; they are copied, because they may lie anywhere. */
export function dataFromBytes(
  name: string,
  datatype: Datatype,
  count: number,
  bytes: Uint8Array,
): TensorData {
  if (datatype === 'BYTES') return elements(name, count, bytes);
  const expected = count * sizeOf(datatype);
  if (bytes.length !== expected)
    throw invalid(`input "${name}": the shape needs ${expected} bytes, binary_data_size is ${bytes.length}`);
  const copy = new Uint8Array(expected);
  copy.set(bytes);
  if (datatype === 'BOOL') for (let i = 0; i < expected; i++) copy[i] = copy[i] === 0 ? 0 : 1;
  return viewOf(datatype, copy.buffer, 0, count);
}

function elements(name: string, count: number, given: Uint8Array): Uint8Array[] {
  const bytes = new Uint8Array(given);
  const view = new DataView(bytes.buffer);
  const list: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw invalid(`input "${name}": an element of BYTES reaches past the data`);
    list.push(bytes.subarray(at + 4, end));
    at = end;
  }
  if (list.length !== count)
    throw invalid(`input "${name}": the shape has ${count} elements, the data has ${list.length}`);
  return list;
}

/** Bytes of the data of a tensor. */
export function binarySize({ data }: Tensor): number {
  if (!isBytes(data)) return data.byteLength;
  let size = 0;
  for (const element of data) size += 4 + element.length;
  return size;
}

/** Writes the data at an offset and answers the one behind it. */
export function writeBinary({ data }: Tensor, out: Uint8Array, offset: number): number {
  if (!isBytes(data)) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    return offset + data.byteLength;
  }
  const view = new DataView(out.buffer, out.byteOffset);
  let at = offset;
  for (const element of data) {
    view.setUint32(at, element.length, true);
    out.set(element, at + 4);
    at += 4 + element.length;
  }
  return at;
}

import { GatewayError } from '../errors.ts';

/** Where a weight tensor lies in an ONNX file: it can be replaced in place, because its size stays. */
export interface WeightPlace {
  readonly dims: readonly number[];
  /** Of its little-endian floats in the file. */
  readonly offset: number;
  readonly count: number;
}

/** Weights of one dense layer: y = x · kernel + bias. */
export interface DensePlace {
  readonly kernel: WeightPlace;
  readonly bias: WeightPlace;
}

/**
 * Finds the dense layers (operator Gemm) of an ONNX file in the order of its graph. Reads the few messages of onnx.proto
 * that this takes (github.com/onnx/onnx: ModelProto.graph = 7; GraphProto.node = 1, initializer = 5; NodeProto.input = 1,
 * op_type = 4; TensorProto.dims = 1, data_type = 2, name = 8, raw_data = 9). Throws TUNE_MODEL.
 */
export function denseLayers(file: Uint8Array): DensePlace[] {
  const tensors = new Map<string, WeightPlace>();
  const layers: (readonly [string, string])[] = [];
  for (const graph of fieldsOf(file, 0, file.length)) {
    if (graph.number !== 7) continue;
    for (const part of fieldsOf(file, graph.start, graph.end)) {
      if (part.number === 5) readTensor(file, part, tensors);
      if (part.number === 1) readNode(file, part, layers);
    }
  }
  return layers.map(([kernel, bias]) => {
    const found = [tensors.get(kernel), tensors.get(bias)] as const;
    if (!found[0] || !found[1]) throw broken('a dense layer has no weights of its own');
    return { kernel: found[0], bias: found[1] };
  });
}

export function readWeights(file: Uint8Array, { offset, count }: WeightPlace): Float32Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(offset + 4 * i, true));
}

export function writeWeights(file: Uint8Array, { offset, count }: WeightPlace, values: Float32Array): void {
  if (values.length !== count) throw broken(`${values.length} weights for ${count}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (const [i, value] of values.entries()) view.setFloat32(offset + 4 * i, value, true);
}

function readTensor(file: Uint8Array, { start, end }: Field, into: Map<string, WeightPlace>): void {
  const dims: number[] = [];
  let name = '';
  let type = 0;
  let raw: Field | undefined;
  for (const field of fieldsOf(file, start, end)) {
    if (field.number === 1 && field.value !== undefined) dims.push(field.value);
    else if (field.number === 1) dims.push(...packed(file, field));
    if (field.number === 2) type = field.value ?? 0;
    if (field.number === 8) name = text(file, field);
    if (field.number === 9) raw = field;
  }
  const count = dims.reduce((product, d) => product * d, 1);
  const FLOAT = 1;
  if (raw && type === FLOAT && raw.end - raw.start === 4 * count)
    into.set(name, { dims, offset: raw.start, count });
}

function packed(file: Uint8Array, { start, end }: Field): number[] {
  const values: number[] = [];
  for (let at = start; at < end; ) {
    const [value, next] = varint(file, at);
    values.push(value);
    at = next;
  }
  return values;
}

function readNode(file: Uint8Array, { start, end }: Field, into: (readonly [string, string])[]): void {
  const inputs: string[] = [];
  let operator = '';
  for (const field of fieldsOf(file, start, end)) {
    if (field.number === 1) inputs.push(text(file, field));
    if (field.number === 4) operator = text(file, field);
  }
  if (operator === 'Gemm' && inputs.length === 3) into.push([inputs[1]!, inputs[2]!]);
}

interface Field {
  readonly number: number;
  /** Of its bytes, for length-delimited fields. */
  readonly start: number;
  readonly end: number;
  /** Of a varint field. */
  readonly value?: number;
}

/** Fields of one message (protobuf.dev/programming-guides/encoding). */
function* fieldsOf(file: Uint8Array, from: number, to: number): Generator<Field> {
  for (let at = from; at < to; ) {
    const [tag, start] = varint(file, at);
    const number = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === 0) {
      const [value, end] = varint(file, start);
      yield { number, start, end, value };
      at = end;
    } else if (kind === 2) {
      const [length, begin] = varint(file, start);
      yield { number, start: begin, end: begin + length };
      at = begin + length;
    } else if (kind === 1 || kind === 5) at = start + (kind === 1 ? 8 : 4);
    else throw broken(`wire type ${kind}`);
    if (at > to) throw broken('a field reaches beyond its message');
  }
}

/** Value and the place behind it; exact up to 2^53. */
function varint(file: Uint8Array, from: number): [number, number] {
  let value = 0;
  for (let at = from, factor = 1; at < file.length && at < from + 10; at++, factor *= 128) {
    value += (file[at]! & 127) * factor;
    if (file[at]! < 128) return [value, at + 1];
  }
  throw broken('a number does not end');
}

const text = (file: Uint8Array, { start, end }: Field): string =>
  Buffer.from(file.buffer, file.byteOffset + start, end - start).toString('utf8');

const broken = (what: string): GatewayError =>
  new GatewayError('TUNE_MODEL', `the model file is not what its recipe for tuning says: ${what}`);

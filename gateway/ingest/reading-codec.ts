import { GatewayError } from '../errors.ts';
import type { FieldValue, NumericArray, ReadingValue, WideArray } from '../ports/reading.ts';
import { ByteReader } from '../store/bytes.ts';
import type { ByteWriter, RecordCodec } from '../store/types.ts';

/*
 * One record:
 *   varint length of the name block
 *   name block: varint count, then each name as varint length + UTF-8
 *   values, in the order of the names: a tag byte and what it announces
 *
 *   0 null   1 false   2 true
 *   3 float64, little-endian
 *   4 string: varint length + UTF-8
 *   5 integer 0 … 2^31-1 as varint       6 the same, negated (never 0, so that -0 keeps its sign as a float64)
 *   7 float32 bits, little-endian, for doubles that single precision holds exactly
 *   8 opaque values: varint how many, then each as varint length + bytes
 *   16+k array of kind k: varint number of elements, then the elements, little-endian
 */
const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const FLOAT64 = 3;
const STRING = 4;
const POSITIVE = 5;
const NEGATIVE = 6;
const FLOAT32 = 7;
const OPAQUE = 8;
const ARRAY = 16;

/** The order is part of the file format: append only. */
const KINDS = [
  Float64Array,
  Float32Array,
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
] as const;

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new GatewayError('INTERNAL', 'the journal stores arrays as they lie in memory: little-endian only');
}

/** Shapes remembered in each direction. More than that and each record is encoded or decoded from scratch. */
const MAX_SHAPES = 1024;

/** {@link ReadingValue} in the journal: self-contained, compact, equal bit for bit when read back. */
export const readingCodec: RecordCodec<ReadingValue> = {
  encode(value, out) {
    const block = nameBlockOf(value.fields);
    out.varint(block.length);
    out.bytes(block);
    const values = value.values;
    for (let i = 0; i < values.length; i++) encodeValue(values[i]!, out);
  },
  decode(bytes) {
    const reader = new ByteReader(bytes);
    const length = reader.varint();
    const fields = fieldsOf(bytes, reader.at, length);
    reader.at += length;
    const values: FieldValue[] = [];
    for (let i = 0; i < fields.length; i++) values.push(decodeValue(reader));
    return { fields, values };
  },
};

function encodeValue(value: FieldValue, out: ByteWriter): void {
  if (typeof value === 'number') {
    encodeNumber(value, out);
  } else if (typeof value === 'string') {
    out.u8(STRING);
    out.string(value);
  } else if (value === null) {
    out.u8(NULL);
  } else if (typeof value === 'boolean') {
    out.u8(value ? TRUE : FALSE);
  } else if (!ArrayBuffer.isView(value)) {
    out.u8(OPAQUE);
    out.varint(value.length);
    for (const bytes of value) {
      out.varint(bytes.length);
      out.bytes(bytes);
    }
  } else {
    const kind = KINDS.findIndex((type) => value instanceof type);
    out.u8(ARRAY + kind);
    out.varint(value.length);
    out.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
}

const float32 = new Float32Array(1);
const float32Bits = new Uint32Array(float32.buffer);

function encodeNumber(value: number, out: ByteWriter): void {
  const integer = value | 0;
  if (integer === value && (integer !== 0 || Object.is(value, 0)) && integer !== -0x80000000) {
    out.u8(integer < 0 ? NEGATIVE : POSITIVE);
    out.varint(integer < 0 ? -integer : integer);
    return;
  }
  float32[0] = value;
  if (float32[0] === value) {
    out.u8(FLOAT32);
    out.u32(float32Bits[0]!);
    return;
  }
  out.u8(FLOAT64);
  out.f64(value);
}

function decodeValue(reader: ByteReader): FieldValue {
  const tag = reader.u8();
  switch (tag) {
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case FLOAT64:
      return reader.f64();
    case STRING:
      return reader.string();
    case POSITIVE:
      return reader.varint();
    case NEGATIVE:
      return -reader.varint();
    case FLOAT32:
      float32Bits[0] = reader.u32();
      return float32[0]!;
    case OPAQUE:
      return Array.from({ length: reader.varint() }, () => copyOf(reader.bytes(reader.varint())));
    default:
      return decodeArray(tag - ARRAY, reader);
  }
}

function decodeArray(kind: number, reader: ByteReader): NumericArray | WideArray {
  const Type = KINDS[kind];
  if (!Type) throw new RangeError(`unknown value tag ${kind + ARRAY} in a journal record`);
  const count = reader.varint();
  return new Type(copyOf(reader.bytes(count * Type.BYTES_PER_ELEMENT)).buffer);
}

// The same few shapes come again and again, so both directions remember them and compare with the last one first.

const blocks = new WeakMap<readonly string[], Uint8Array>();
let lastFields: readonly string[] | undefined;
let lastBlock: Uint8Array = new Uint8Array(0);

function nameBlockOf(fields: readonly string[]): Uint8Array {
  if (fields === lastFields) return lastBlock;
  let block = blocks.get(fields);
  if (!block) {
    block = encodeNames(fields);
    // A list that its owner may still change must not be remembered by identity.
    if (!Object.isFrozen(fields)) return block;
    blocks.set(fields, block);
  }
  lastFields = fields;
  lastBlock = block;
  return block;
}

function encodeNames(fields: readonly string[]): Uint8Array {
  const parts: Uint8Array[] = [varintBytes(fields.length)];
  for (const name of fields) {
    const utf8 = Buffer.from(name, 'utf8');
    parts.push(varintBytes(utf8.length), utf8);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const shapes = new Map<string, { readonly block: Uint8Array; readonly fields: readonly string[] }>();
let lastShape: { readonly block: Uint8Array; readonly fields: readonly string[] } = {
  block: new Uint8Array(0),
  fields: [],
};

function fieldsOf(bytes: Uint8Array, at: number, length: number): readonly string[] {
  if (matches(lastShape.block, bytes, at, length)) return lastShape.fields;
  const block = copyOf(bytes.subarray(at, at + length));
  const key = Buffer.from(block.buffer).toString('latin1');
  let shape = shapes.get(key);
  if (!shape) {
    const reader = new ByteReader(block);
    const fields: string[] = [];
    for (let count = reader.varint(); count > 0; count--) fields.push(reader.string());
    shape = { block, fields: Object.freeze(fields) };
    if (shapes.size >= MAX_SHAPES) shapes.clear();
    shapes.set(key, shape);
  }
  lastShape = shape;
  return shape.fields;
}

function matches(block: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  if (block.length !== length) return false;
  for (let i = 0; i < length; i++) if (block[i] !== bytes[at + i]) return false;
  return length > 0;
}

/** A copy in memory of its own, aligned for any array type; Buffer's own `slice` would be a view. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

import type { FieldValue, NumericArray, WideArray } from '../ports/reading.ts';
import type { StateReader, StateWriter } from './binary.ts';
import type { Reading } from './window.ts';

const ARRAYS = [
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

const NULL = 0;
const NUMBER = 1;
const STRING = 2;
const FALSE = 3;
const TRUE = 4;
const OPAQUE = 5;
const FIRST_ARRAY = 8;

/** Whole readings as part of a state row. */
export function saveReading(reading: Reading, out: StateWriter): void {
  for (const n of [reading.seq, reading.deviceSeq, reading.time, reading.arrival, reading.flags]) out.f64(n);
  out.string(reading.device);
  const { fields, values } = reading.value;
  out.u32(fields.length);
  for (let i = 0; i < fields.length; i++) {
    out.string(fields[i]!);
    saveValue(values[i]!, out);
  }
}

export function loadReading(input: StateReader): Reading {
  const [seq, deviceSeq, time, arrival, flags] = [
    input.f64(),
    input.f64(),
    input.f64(),
    input.f64(),
    input.f64(),
  ];
  const device = input.string();
  const fields: string[] = [];
  const values: FieldValue[] = [];
  for (let left = input.u32(); left > 0; left--) {
    fields.push(input.string());
    values.push(loadValue(input));
  }
  return { seq, deviceSeq, time, arrival, flags, device, value: { fields, values } };
}

function saveValue(value: FieldValue, out: StateWriter): void {
  if (value === null) out.u8(NULL);
  else if (typeof value === 'number') {
    out.u8(NUMBER);
    out.f64(value);
  } else if (typeof value === 'string') {
    out.u8(STRING);
    out.string(value);
  } else if (typeof value === 'boolean') out.u8(value ? TRUE : FALSE);
  else if (!ArrayBuffer.isView(value)) {
    out.u8(OPAQUE);
    out.u32(value.length);
    for (const bytes of value) out.bytes(bytes);
  } else {
    out.u8(FIRST_ARRAY + ARRAYS.findIndex((kind) => value instanceof kind));
    out.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
}

function loadValue(input: StateReader): FieldValue {
  const kind = input.u8();
  if (kind === NULL) return null;
  if (kind === NUMBER) return input.f64();
  if (kind === STRING) return input.string();
  if (kind === TRUE || kind === FALSE) return kind === TRUE;
  if (kind === OPAQUE) return Array.from({ length: input.u32() }, () => input.bytes().slice());
  const array = ARRAYS[kind - FIRST_ARRAY];
  if (array === undefined) throw new RangeError('unknown kind of value in a state row');
  const bytes = input.bytes();
  return new array(bytes.buffer as ArrayBuffer) as NumericArray | WideArray;
}

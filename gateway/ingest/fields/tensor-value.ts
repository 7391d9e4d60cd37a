import { GatewayError } from '../../errors.ts';
import type { FieldValue, NumericArray, WideArray } from '../../ports/reading.ts';
import type { Datatype } from '../../ports/tensor.ts';

/** Values for models, exact: what `type: tensor` and `type: bytes` of a field make of a payload. */

/** Depth of nested lists: more dimensions than any model has. */
const MAX_DEPTH = 16;

/** FP16 is kept in single precision, which holds each of its values. */
const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  FP16: Float32Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

const RANGES: Readonly<Partial<Record<Datatype, readonly [number, number]>>> = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
};

/** What JSON has no numbers for, as protobuf's JSON mapping writes it. */
const NAMED: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

/**
 * A scalar, a list or lists of lists as the values of a tensor in row-major order. 64-bit integers may be numbers,
 * bigints or digits; values that are not finite their names.
 * @throws GatewayError DECODE_TYPE, DECODE_RANGE
 */
export function tensorValue(name: string, raw: unknown, datatype: Datatype): FieldValue {
  if (datatype === 'BYTES') return flat(name, raw).map((value) => elementBytes(name, value));
  const values = ArrayBuffer.isView(raw) ? (raw as NumericArray | WideArray) : flat(name, raw);
  if (datatype === 'INT64' || datatype === 'UINT64') {
    const [Kind, least, most] =
      datatype === 'INT64'
        ? ([BigInt64Array, -(2n ** 63n), 2n ** 63n - 1n] as const)
        : ([BigUint64Array, 0n, 2n ** 64n - 1n] as const);
    const out = new Kind(values.length);
    for (let i = 0; i < out.length; i++) {
      const value = whole(name, values[i]);
      if (value < least || value > most) throw outside(name, value, datatype);
      out[i] = value;
    }
    return out;
  }
  const out = new ARRAYS[datatype](values.length);
  const range = RANGES[datatype];
  for (let i = 0; i < out.length; i++) {
    const value = datatype === 'BOOL' ? bit(name, values[i]) : float(name, values[i]);
    if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1]))
      throw outside(name, value, datatype);
    out[i] = value;
  }
  return out;
}

/** Bytes as they are, or their base64. */
export function opaqueValue(name: string, raw: unknown): Uint8Array {
  if (ArrayBuffer.isView(raw)) return copyOf(raw);
  if (typeof raw === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(raw) && raw.length % 4 === 0)
    return new Uint8Array(Buffer.from(raw, 'base64'));
  throw mistyped(name, raw, 'bytes, or base64');
}

/** An element of BYTES: text as UTF-8, bytes as they are. */
function elementBytes(name: string, raw: unknown): Uint8Array {
  if (typeof raw === 'string') return new TextEncoder().encode(raw);
  if (ArrayBuffer.isView(raw)) return copyOf(raw);
  throw mistyped(name, raw, 'a text or bytes');
}

function copyOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  const copy = new Uint8Array(byteLength);
  copy.set(new Uint8Array(buffer, byteOffset, byteLength));
  return copy;
}

function flat(name: string, raw: unknown): unknown[] {
  if (!Array.isArray(raw)) return [raw];
  let level: unknown[] = raw;
  for (let depth = 0; level.some(Array.isArray); depth++) {
    const [first] = level;
    const length = Array.isArray(first) ? first.length : -1;
    if (depth === MAX_DEPTH || level.some((row) => !Array.isArray(row) || row.length !== length))
      throw mistyped(name, raw, 'lists of one length at each level');
    level = (level as unknown[][]).flat();
  }
  return level;
}

function whole(name: string, raw: unknown): bigint {
  if (typeof raw === 'bigint') return raw;
  if (typeof raw === 'number' && Number.isInteger(raw)) return BigInt(raw);
  if (typeof raw === 'string' && /^-?\d{1,20}$/.test(raw)) return BigInt(raw);
  throw mistyped(name, raw, 'a whole number');
}

function float(name: string, raw: unknown): number {
  if (typeof raw === 'number') return raw;
  if (typeof raw === 'bigint') return Number(raw);
  const named = typeof raw === 'string' ? NAMED[raw] : undefined;
  if (named === undefined) throw mistyped(name, raw, 'a number');
  return named;
}

function bit(name: string, raw: unknown): number {
  if (typeof raw === 'boolean') return raw ? 1 : 0;
  if (raw === 0 || raw === 1) return raw;
  throw mistyped(name, raw, 'true or false');
}

function mistyped(name: string, raw: unknown, expected: string): GatewayError {
  const received = Array.isArray(raw) ? 'a list' : `${typeof raw} ${String(raw).slice(0, 32)}`;
  return new GatewayError('DECODE_TYPE', `${name} holds ${received}`, { received, expected });
}

const outside = (name: string, value: number | bigint, datatype: Datatype): GatewayError =>
  new GatewayError('DECODE_RANGE', `${name} holds ${value}, which is no ${datatype}`, {
    received: String(value),
    expected: datatype,
  });

import type { Datatype, TensorData } from '../../ports/tensor.ts';
import { isBytes } from '../tensor-data.ts';
import type { Floats } from './preprocess.ts';

const MANTISSA = new Float32Array(1);
const BITS = new Uint32Array(MANTISSA.buffer);

/** Numbers as data of a tensor. Integers are rounded and held within their range; FP16 becomes its bits. */
export function fromNumbers(values: Floats, datatype: Datatype): TensorData {
  switch (datatype) {
    case 'FP32':
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case 'FP64':
      return values instanceof Float64Array ? values : Float64Array.from(values);
    case 'FP16':
      return mapTo(values, new Uint16Array(values.length), toHalf);
    case 'BOOL':
      return mapTo(values, new Uint8Array(values.length), (value) => (value !== 0 ? 1 : 0));
    case 'INT8':
      return mapTo(values, new Int8Array(values.length), rounded(-128, 127));
    case 'UINT8':
      return mapTo(values, new Uint8Array(values.length), rounded(0, 255));
    case 'INT16':
      return mapTo(values, new Int16Array(values.length), rounded(-32768, 32767));
    case 'UINT16':
      return mapTo(values, new Uint16Array(values.length), rounded(0, 65535));
    case 'INT32':
      return mapTo(values, new Int32Array(values.length), rounded(-2147483648, 2147483647));
    case 'UINT32':
      return mapTo(values, new Uint32Array(values.length), rounded(0, 4294967295));
    case 'INT64':
      return BigInt64Array.from(values as Iterable<number> as number[], bigint(-(2n ** 63n), 2n ** 63n - 1n));
    case 'UINT64':
      return BigUint64Array.from(values as Iterable<number> as number[], bigint(0n, 2n ** 64n - 1n));
    case 'BYTES':
      throw new RangeError('numbers cannot be BYTES');
  }
}

/** Data of a tensor as numbers; 64-bit integers beyond 2^53 lose their last digits. */
export function toNumbers(data: TensorData, datatype: Datatype): Floats {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (isBytes(data)) throw new RangeError('BYTES are not numbers');
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const out = new Float64Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
    return out;
  }
  if (datatype === 'FP16') {
    const out = new Float32Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = fromHalf(data[i]!);
    return out;
  }
  return data instanceof Int32Array || data instanceof Uint32Array
    ? Float64Array.from(data)
    : Float32Array.from(data);
}

function mapTo<T extends { [index: number]: number }>(
  values: Floats,
  out: T,
  map: (value: number) => number,
): T {
  for (let i = 0; i < values.length; i++) out[i] = map(values[i]!);
  return out;
}

const rounded =
  (min: number, max: number) =>
  (value: number): number =>
    Math.min(max, Math.max(min, Math.round(value)));

/** NaN has no place among integers and becomes 0, as it does in typed arrays. */
const bigint =
  (min: bigint, max: bigint) =>
  (value: number): bigint => {
    if (Number.isNaN(value)) return 0n;
    if (!Number.isFinite(value)) return value > 0 ? max : min;
    const whole = BigInt(Math.round(value));
    return whole < min ? min : whole > max ? max : whole;
  };

/** IEEE 754 binary16 bits of a number: nearest, ties to even. */
export function toHalf(value: number): number {
  MANTISSA[0] = value;
  const bits = BITS[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  const shifted = exponent - 112;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted > 0) return sign | roundHalf((shifted << 23) | fraction, 13);
  if (shifted < -10) return sign;
  return sign | roundHalf(fraction | 0x800000, 14 - shifted);
}

/** `value / 2^shift`, nearest, ties to even; a carry runs on into the exponent, which is what rounding up means. */
function roundHalf(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
}

/** The number that IEEE 754 binary16 bits stand for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

import type { Datatype, Tensor, TensorData } from '../../ports/tensor.ts';
import { shortestDecimal } from '../../system/decimal.ts';
import { isBytes, type NumericData } from './datatypes.ts';
import { invalid } from './invalid.ts';

/** Tensors as JSON arrays, flat or nested, both ways. Typed loops: no closure and no check by schema per element. */

const MAX_DEPTH = 64;
/** FP32 values up to this many are written with as few digits as they need, as pipelines do. More would take too long. */
const MAX_SHORT = 4096;
const encoder = new TextEncoder();

const RANGES: Readonly<Partial<Record<Datatype, readonly [number, number]>>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffffffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x80000000, 0x7fffffff],
};

/**
 * The data of a tensor of `count` elements from what JSON (or CBOR) gave.
 * @param written the numbers as they are written, where a parsed number cannot hold them
 * @throws GatewayError REQUEST_INVALID
 */
export function dataFromJson(
  name: string,
  datatype: Datatype,
  count: number,
  data: unknown,
  written: () => readonly string[],
): TensorData {
  const list = ArrayBuffer.isView(data) ? Array.from(data as unknown as Iterable<unknown>) : data;
  if (!Array.isArray(list)) throw invalid(`input "${name}": data must be an array, got ${typeName(data)}`);
  if (datatype === 'BYTES') return texts(name, count, list);
  const values = new Float64Array(count);
  const end = fill(values, list, 0, 0, name, datatype);
  if (end !== count) throw invalid(`input "${name}": the shape has ${count} elements, data has ${end}`);
  return converted(name, datatype, values, written);
}

/** Flattens numbers into `out`; answers how many there were. */
function fill(
  out: Float64Array,
  list: readonly unknown[],
  from: number,
  depth: number,
  name: string,
  datatype: Datatype,
): number {
  if (depth > MAX_DEPTH) throw invalid(`input "${name}": data is nested too deep`);
  let at = from;
  for (let i = 0; i < list.length; i++) {
    const value = list[i];
    if (typeof value === 'number') out[at++] = value;
    else if (Array.isArray(value)) at = fill(out, value, at, depth + 1, name, datatype);
    else if (typeof value === 'boolean' && datatype === 'BOOL') out[at++] = value ? 1 : 0;
    else if (typeof value === 'bigint') out[at++] = Number(value);
    else if (value === null && isFloat(datatype)) out[at++] = Number.NaN;
    else throw invalid(`input "${name}": ${typeName(value)} is no ${datatype}`);
  }
  return at;
}

const isFloat = (datatype: Datatype): boolean =>
  datatype === 'FP32' || datatype === 'FP64' || datatype === 'FP16';

function converted(
  name: string,
  datatype: Exclude<Datatype, 'BYTES'>,
  values: Float64Array,
  written: () => readonly string[],
): NumericData {
  switch (datatype) {
    case 'FP64':
      return values;
    case 'FP32':
      return new Float32Array(values);
    case 'FP16':
      return new Uint16Array(new Float16Array(values).buffer);
    case 'INT64':
    case 'UINT64':
      return wide(name, datatype, values, written);
    case 'BOOL':
      for (const value of values) {
        if (value !== 0 && value !== 1) throw invalid(`input "${name}": ${value} is no BOOL`);
      }
      return new Uint8Array(values);
  }
  const [min, max] = RANGES[datatype]!;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value >= min && value <= max && Number.isInteger(value)))
      throw invalid(`input "${name}": ${value} is no ${datatype}`);
  }
  switch (datatype) {
    case 'UINT8':
      return new Uint8Array(values);
    case 'UINT16':
      return new Uint16Array(values);
    case 'UINT32':
      return new Uint32Array(values);
    case 'INT8':
      return new Int8Array(values);
    case 'INT16':
      return new Int16Array(values);
    case 'INT32':
      return new Int32Array(values);
  }
}

/** 64-bit integers: through numbers while these are exact, else from the digits. */
function wide(
  name: string,
  datatype: 'INT64' | 'UINT64',
  values: Float64Array,
  written: () => readonly string[],
): BigInt64Array | BigUint64Array {
  const out = datatype === 'INT64' ? new BigInt64Array(values.length) : new BigUint64Array(values.length);
  const exact = values.every((value) => Number.isSafeInteger(value));
  const digits = exact ? undefined : written();
  for (let i = 0; i < values.length; i++) {
    const value = digits === undefined ? BigInt(values[i]!) : integer(name, datatype, digits[i]!);
    out[i] = value;
    if (out[i] !== value) throw invalid(`input "${name}": ${value} is no ${datatype}`);
  }
  return out;
}

function integer(name: string, datatype: string, text: string): bigint {
  if (/^-?\d{1,20}$/.test(text)) return BigInt(text);
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw invalid(`input "${name}": ${text.slice(0, 40)} is no ${datatype}`);
  return BigInt(value);
}

/** Strings as BYTES, one per element, in UTF-8. */
function texts(name: string, count: number, list: readonly unknown[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  const add = (values: readonly unknown[], depth: number): void => {
    if (depth > MAX_DEPTH) throw invalid(`input "${name}": data is nested too deep`);
    for (const value of values) {
      if (typeof value === 'string') out.push(encoder.encode(value));
      else if (value instanceof Uint8Array) out.push(value);
      else if (Array.isArray(value)) add(value, depth + 1);
      else throw invalid(`input "${name}": ${typeName(value)} is no string`);
    }
  };
  add(list, 0);
  if (out.length !== count)
    throw invalid(`input "${name}": the shape has ${count} elements, data has ${out.length}`);
  return out;
}

const typeName = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'an array'
      : value === undefined
        ? 'nothing'
        : typeof value;

/**
 * The data of a tensor as a flat JSON array. Numbers that are not finite are written as Triton writes them: `NaN`,
 * `Infinity`, `-Infinity`.
 * @throws GatewayError REQUEST_BINARY for bytes that are no text
 */
export function jsonOfData(name: string, { datatype, data }: Tensor): string {
  if (isBytes(data)) return `[${data.map((element) => textOf(name, element)).join(',')}]`;
  switch (datatype) {
    case 'BOOL':
      return `[${Array.from(data as Uint8Array, (value) => (value === 0 ? 'false' : 'true')).join(',')}]`;
    case 'FP16': {
      const bits = data as Uint16Array;
      return floats(new Float16Array(bits.buffer as ArrayBuffer, bits.byteOffset, bits.length));
    }
    case 'FP32':
      return floats(data.length > MAX_SHORT ? (data as Float32Array) : shortened(data as Float32Array));
    case 'FP64':
      return floats(data as Float64Array);
    default:
      return `[${data.join(',')}]`;
  }
}

/** The same values once they are FP32 again: see {@link shortestDecimal}. */
function shortened(data: Float32Array): Float64Array {
  const out = new Float64Array(data);
  for (let i = 0; i < out.length; i++) if (Number.isFinite(out[i])) out[i] = shortestDecimal(out[i]!);
  return out;
}

function floats(data: Float16Array | Float32Array | Float64Array): string {
  let negativeZero = false;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0 && Object.is(data[i], -0)) {
      negativeZero = true;
      break;
    }
  }
  // `join` would lose the sign, and a plain -0 is an integer to some parsers.
  if (negativeZero)
    return `[${Array.from(data, (value) => (Object.is(value, -0) ? '-0.0' : value)).join(',')}]`;
  return `[${data.join(',')}]`;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(name: string, element: Uint8Array): string {
  try {
    return JSON.stringify(strict.decode(element));
  } catch {
    throw invalid(
      `output "${name}" has bytes that are no text: ask for it with binary_data`,
      'REQUEST_BINARY',
    );
  }
}

import type { FieldConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NumericArray } from '../../ports/reading.ts';
import { opaqueValue, tensorValue } from './tensor-value.ts';
import { type UnitConversion, unitConversion } from './units.ts';

/** One configured field, ready to turn what a decoder found into a value. */
export interface CompiledField {
  readonly name: string;
  readonly config: FieldConfig;
  /**
   * Checks and converts; `raw` undefined or null stands for absent. `unit` is the unit the payload names, if any.
   * @throws GatewayError DECODE_FIELD, DECODE_TYPE, DECODE_RANGE, DECODE_UNIT
   */
  convert(raw: unknown, unit?: string): FieldValue;
}

/** Units kept per field; payloads choose them, so the cache is bounded. */
const MAX_UNITS = 32;

export function compileField(name: string, config: FieldConfig): CompiledField {
  const scale = config.scale ?? 1;
  const offset = config.offset ?? 0;
  const min = config.min ?? Number.NEGATIVE_INFINITY;
  const max = config.max ?? Number.POSITIVE_INFINITY;
  const linear = scale !== 1 || offset !== 0;
  const conversions = new Map<string, UnitConversion>();

  const number = (raw: number, convert: UnitConversion | undefined): number => {
    let value = convert === undefined ? raw : convert(raw);
    if (linear) value = value * scale + offset;
    // Written so that NaN fails too.
    if (!(value >= min && value <= max) || value === Infinity || value === -Infinity) throw outOfRange(value);
    return value;
  };

  const outOfRange = (value: number): GatewayError =>
    Number.isFinite(value)
      ? new GatewayError('DECODE_RANGE', `${name} is ${value}`, {
          received: value,
          expected: `${config.min ?? 'any'} to ${config.max ?? 'any'}`,
        })
      : notFinite(name, value);

  const conversionFrom = (unit: string): UnitConversion => {
    const known = conversions.get(unit);
    if (known) return known;
    const found = unitConversion(unit, config.unit!);
    if (!found) {
      throw new GatewayError('DECODE_UNIT', `${name} came in ${JSON.stringify(unit.slice(0, 32))}`, {
        received: unit.slice(0, 32),
        expected: `${config.unit} or a unit that converts to it`,
      });
    }
    if (conversions.size >= MAX_UNITS) conversions.clear();
    conversions.set(unit, found);
    return found;
  };

  const array = (raw: unknown, convert: UnitConversion | undefined): NumericArray => {
    const source = numericArray(name, raw);
    const changes = linear || convert !== undefined;
    const target = changes ? scaledArrayFor(source) : source;
    for (let i = 0; i < source.length; i++) {
      const value = number(source[i]!, convert);
      if (changes) target[i] = value;
    }
    return target;
  };

  return {
    name,
    config,
    convert(raw, unit) {
      if (typeof raw === 'number' && config.type === 'number' && unit === undefined)
        return number(raw, undefined);
      if (raw === undefined || raw === null) {
        if (config.optional) return null;
        throw new GatewayError('DECODE_FIELD', `field ${name} is missing`, {
          expected: config.path === undefined ? `a member ${name}` : `a value at ${config.path}`,
        });
      }
      const convert =
        unit === undefined || config.unit === undefined || unit === config.unit
          ? undefined
          : conversionFrom(unit);
      if (config.type === 'number' && typeof raw === 'number') return number(raw, convert);
      if (config.type === 'array') return array(raw, convert);
      if (config.type === 'tensor') return tensorValue(name, raw, config.datatype!);
      if (config.type === 'bytes') return [opaqueValue(name, raw)];
      if (config.type === 'string' && typeof raw === 'string') return wellFormed(name, raw);
      if (config.type === 'boolean' && typeof raw === 'boolean') return raw;
      throw new GatewayError('DECODE_TYPE', `${name} is ${describe(raw)}`, {
        received: describe(raw),
        expected: config.type,
      });
    },
  };
}

/** A value of a payload that no field configures: scalars and numeric arrays pass, all else is undefined. */
export function plainValue(name: string, raw: unknown): FieldValue | undefined {
  switch (typeof raw) {
    case 'number':
      if (raw - raw !== 0) throw notFinite(name, raw);
      return raw;
    case 'string':
      return wellFormed(name, raw);
    case 'boolean':
      return raw;
    default:
      return ArrayBuffer.isView(raw) ? numericArray(name, raw) : undefined;
  }
}

export const notFinite = (name: string, value: number): GatewayError =>
  new GatewayError('DECODE_RANGE', `${name} is ${value}, which no sensor can mean`, {
    received: String(value),
    expected: 'a finite number',
  });

/** RFC 8259 §8.2: a lone surrogate has no UTF-8 form, so it could not be forwarded as it came. */
export function wellFormed(name: string, text: string): string {
  if (text.isWellFormed()) return text;
  throw new GatewayError('DECODE_SYNTAX', `${name} holds a lone surrogate`, {
    expected: 'well-formed Unicode',
  });
}

function numericArray(name: string, raw: unknown): NumericArray {
  if (ArrayBuffer.isView(raw)) {
    const typed = raw as NumericArray;
    for (let i = 0; i < typed.length; i++) if (typed[i]! - typed[i]! !== 0) throw notFinite(name, typed[i]!);
    return typed;
  }
  if (!Array.isArray(raw)) {
    throw new GatewayError('DECODE_TYPE', `${name} is ${describe(raw)}`, {
      received: describe(raw),
      expected: 'an array of numbers',
    });
  }
  const out = new Float64Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const value: unknown = raw[i];
    if (typeof value !== 'number') {
      throw new GatewayError('DECODE_TYPE', `${name}[${i}] is ${describe(value)}`, {
        received: describe(value),
        expected: 'a number',
      });
    }
    if (value - value !== 0) throw notFinite(`${name}[${i}]`, value);
    out[i] = value;
  }
  return out;
}

/** Samples of up to 24 bits stay exact in single precision, which halves the journal; wider ones get double. */
function scaledArrayFor(source: NumericArray): Float32Array | Float64Array {
  const narrow = source.BYTES_PER_ELEMENT <= 2 || source instanceof Float32Array;
  return narrow ? new Float32Array(source.length) : new Float64Array(source.length);
}

/** What a value is, for an error message; never its content beyond a short scalar. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'an array';
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 32))}`;
  if (typeof value === 'object') return 'an object';
  return `${typeof value} ${String(value).slice(0, 32)}`;
}

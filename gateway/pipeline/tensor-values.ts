import { GatewayError } from '../errors.ts';
import type { ModelInfo } from '../ports/inference.ts';
import type { FieldValue, ReadingValue } from '../ports/reading.ts';
import type { Datatype, Tensor, TensorData, TensorSpec } from '../ports/tensor.ts';
import { fieldIndex } from '../stream/columns.ts';

/** Fields of readings as the inputs of a model that takes them by name. */

const encoder = new TextEncoder();

/**
 * The field that each input takes: of its name, or the pipeline's `fields` in the order of the inputs, or the one field
 * of a reading for the one input. -1 where there is none.
 */
export function fieldOfInput(
  inputs: ModelInfo['inputs'],
  place: number,
  chosen: readonly string[] | undefined,
  fields: readonly string[],
): number {
  const name = chosen?.[place] ?? inputs[place]!.name;
  const found = fieldIndex(name, fields);
  return found === -1 && !chosen && inputs.length === 1 && fields.length === 1 ? 0 : found;
}

/**
 * All inputs of a model from one reading.
 * @throws GatewayError MODEL_SHAPE that names the field, what it holds and what the model wants
 */
export function tensorsOf(
  { inputs }: Pick<ModelInfo, 'inputs'>,
  { fields, values }: ReadingValue,
  chosen: readonly string[] | undefined,
): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  inputs.forEach((spec, i) => {
    const at = fieldOfInput(inputs, i, chosen, fields);
    const value = at === -1 ? null : values[at]!;
    if (value === null)
      throw new GatewayError('MODEL_SHAPE', `the reading has no field for input "${spec.name}"`, {
        received: fields.join(', '),
        expected: chosen?.[i] ?? spec.name,
      });
    tensors[spec.name] = tensorOf(fields[at]!, value, spec);
  });
  return tensors;
}

function tensorOf(field: string, value: FieldValue, spec: TensorSpec): Tensor {
  const data = dataOf(field, value, spec.datatype);
  const shape = filled(spec.shape, data.length);
  if (shape) return { datatype: spec.datatype, shape, data };
  throw new GatewayError('MODEL_SHAPE', `field ${field} has ${data.length} values for input "${spec.name}"`, {
    received: data.length,
    expected: `[${spec.shape.join(', ')}], -1 standing for any number`,
  });
}

/** The shape with its free dimensions settled: the first is 1 when two are free. Undefined when it does not fit. */
function filled(shape: readonly number[], length: number): readonly number[] | undefined {
  const free = shape.flatMap((d, i) => (d === -1 ? [i] : []));
  const settled = [...shape];
  if (free.length > 1 && free[0] === 0) settled[free.shift()!] = 1;
  if (free.length > 1) return undefined;
  const known = settled.reduce((product, d) => (d === -1 ? product : product * d), 1);
  if (free.length === 0) return known === length ? settled : undefined;
  const rest = known === 0 ? 0 : length / known;
  settled[free[0]!] = rest;
  return Number.isInteger(rest) ? settled : undefined;
}

const INTEGERS = {
  BOOL: [Uint8Array, 0, 1],
  UINT8: [Uint8Array, 0, 255],
  UINT16: [Uint16Array, 0, 65_535],
  UINT32: [Uint32Array, 0, 4_294_967_295],
  INT8: [Int8Array, -128, 127],
  INT16: [Int16Array, -32_768, 32_767],
  INT32: [Int32Array, -2_147_483_648, 2_147_483_647],
} as const;

function dataOf(field: string, value: FieldValue, datatype: Datatype): TensorData {
  if (datatype === 'BYTES') return bytesOf(field, value);
  if (value === null || typeof value === 'string' || isOpaque(value))
    throw misfit(field, kindOf(value), datatype);
  const values = typeof value === 'object' ? value : [Number(value)];
  switch (datatype) {
    case 'INT64':
    case 'UINT64': {
      const Kind = datatype === 'INT64' ? BigInt64Array : BigUint64Array;
      if (values instanceof Kind) return values;
      const out = new Kind(values.length);
      for (let i = 0; i < out.length; i++) {
        const whole = values[i]!;
        if (typeof whole === 'number' && !Number.isInteger(whole))
          throw misfit(field, String(whole), datatype);
        out[i] = BigInt(whole);
        if (out[i] !== BigInt(whole)) throw misfit(field, String(whole), datatype);
      }
      return out;
    }
    case 'FP64':
      return values instanceof Float64Array ? values : Float64Array.from(values as ArrayLike<number>, Number);
    case 'FP32':
      return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>, Number);
    case 'FP16':
      return new Uint16Array(Float16Array.from(values as ArrayLike<number>, Number).buffer);
    default: {
      const [Kind, least, most] = INTEGERS[datatype];
      if (values instanceof Kind && datatype !== 'BOOL') return values;
      const out = new Kind(values.length);
      for (let i = 0; i < out.length; i++) {
        const whole = Number(values[i]);
        if (!(Number.isInteger(whole) && whole >= least && whole <= most))
          throw misfit(field, String(values[i]), datatype);
        out[i] = whole;
      }
      return out;
    }
  }
}

function bytesOf(field: string, value: FieldValue): readonly Uint8Array[] {
  if (typeof value === 'string') return [encoder.encode(value)];
  if (isOpaque(value)) return value;
  throw misfit(field, kindOf(value), 'BYTES');
}

const isOpaque = (value: FieldValue): value is readonly Uint8Array[] => Array.isArray(value);

const kindOf = (value: FieldValue): string =>
  value === null
    ? 'nothing'
    : isOpaque(value)
      ? 'bytes'
      : typeof value === 'object'
        ? 'an array'
        : `a ${typeof value}`;

const misfit = (field: string, received: string, expected: string): GatewayError =>
  new GatewayError('MODEL_SHAPE', `field ${field} holds ${received}, the model wants ${expected}`, {
    received,
    expected,
  });

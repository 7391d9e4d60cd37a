import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { DATATYPES, type Datatype, type Tensor, type TensorData } from '../ports/tensor.ts';
import type { Tolerance } from './golden.ts';
import { fromNumbers, toNumbers } from './host/cast.ts';
import { isBytes } from './tensor-data.ts';

/**
 * Tensors in golden samples: `{"datatype": "FP32", "shape": [1, 2], "data": [0.5, "NaN"]}`. Numbers that JSON has not,
 * and 64-bit integers, may be strings; elements of BYTES are text.
 */
export const goldenTensor = z
  .strictObject({
    datatype: z.enum(DATATYPES),
    shape: z.array(z.number().int().min(0)).max(16),
    data: z.array(z.union([z.number(), z.string(), z.boolean()])).max(1_000_000),
  })
  .refine(({ shape, data }) => data.length === shape.reduce((product, d) => product * d, 1), {
    message: 'as many values as its shape has',
  });
export type GoldenTensor = z.output<typeof goldenTensor>;

/** Throws MODEL_GOLDEN for values that are not of the datatype. */
export function tensorOf({ datatype, shape, data }: GoldenTensor): Tensor {
  try {
    return { datatype, shape, data: dataOf(datatype, data) };
  } catch (error) {
    throw new GatewayError('MODEL_GOLDEN', `values that are not ${datatype}: ${(error as Error).message}`);
  }
}

function dataOf(datatype: Datatype, values: GoldenTensor['data']): TensorData {
  if (datatype === 'BYTES') return values.map((value) => new TextEncoder().encode(String(value)));
  if (datatype === 'INT64') return BigInt64Array.from(values, (value) => BigInt(value));
  if (datatype === 'UINT64') return BigUint64Array.from(values, (value) => BigInt(value));
  return fromNumbers(Float64Array.from(values, Number), datatype);
}

/** The same as JSON. */
export function goldenOf({ datatype, shape, data }: Tensor): GoldenTensor {
  return { datatype, shape: [...shape], data: valuesOf(datatype, data) };
}

function valuesOf(datatype: Datatype, data: TensorData): GoldenTensor['data'] {
  if (isBytes(data)) return data.map((bytes) => new TextDecoder().decode(bytes));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return Array.from(data, (value) =>
      Number.isSafeInteger(Number(value)) ? Number(value) : value.toString(),
    );
  return Array.from(toNumbers(data, datatype), (value) => (Number.isFinite(value) ? value : String(value)));
}

/** What is different between found and expected tensors, in words; null when they agree. */
export function compareGolden(
  found: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
  allowed: Tolerance,
): string | null {
  for (const name in expected) {
    const want = expected[name]!;
    const have = found[name];
    if (!have) return `there is no output "${name}"`;
    const shape = have.datatype === want.datatype && String(have.shape) === String(want.shape);
    if (!shape)
      return `${name}: expected ${want.datatype} [${want.shape}], found ${have.datatype} [${have.shape}]`;
    const difference = compareData(name, have, want, allowed);
    if (difference) return difference;
  }
  return null;
}

function compareData(name: string, have: Tensor, want: Tensor, allowed: Tolerance): string | null {
  const [found, expected] = [valuesOf(have.datatype, have.data), valuesOf(want.datatype, want.data)];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [found[i]!, expected[i]!];
    if (a === b) continue;
    const limit = allowed.absolute + allowed.relative * Math.abs(Number(b));
    if (want.datatype !== 'BYTES' && Math.abs(Number(a) - Number(b)) <= limit) continue;
    return `${name}[${i}]: expected ${b} ± ${limit}, found ${a}`;
  }
  return null;
}

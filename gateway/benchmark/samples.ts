import type { GoldenSample } from '../inference/golden.ts';
import type { ModelInfo } from '../ports/inference.ts';
import type { Datatype, Tensor, TensorData, TensorSpec } from '../ports/tensor.ts';
import { seededRandom } from './random.ts';

/** Inputs by name for one call. */
export type Inputs = Readonly<Record<string, Tensor>>;

/** Most different inputs that are kept for a run. */
const MOST = 256;
/** Elements along a free dimension that only a caller knows. */
const FREE = 1;

/** Inputs for load: the golden samples' windows, else values made from the seed. */
export function inputsFor(
  info: ModelInfo,
  golden: readonly GoldenSample[],
  seed: number,
): { kind: 'golden' | 'seeded'; inputs: Inputs[] } {
  const inputs = golden.flatMap(({ steps }) => steps.map((step) => goldenInputs(info, step))).slice(0, MOST);
  if (inputs.length > 0) return { kind: 'golden', inputs };
  const random = seededRandom(seed);
  return { kind: 'seeded', inputs: Array.from({ length: 16 }, () => seededInputs(info, random)) };
}

/** One step of a golden sample as a call. */
export function goldenInputs(info: ModelInfo, step: GoldenSample['steps'][number]): Inputs {
  if ('tensors' in step) return step.inputs;
  const [spec] = info.inputs;
  if (!spec) return {};
  const shape = fill(spec.shape, step.window.length);
  return { [spec.name]: { datatype: spec.datatype, shape, data: numbers(spec.datatype, step.window) } };
}

function seededInputs(info: ModelInfo, random: () => number): Inputs {
  return Object.fromEntries(
    info.inputs.map((spec) => {
      const shape = seededShape(spec, info);
      const length = shape.reduce((product, d) => product * d, 1);
      const data = numbers(
        spec.datatype,
        Float64Array.from({ length }, () => random() * 2 - 1),
      );
      return [spec.name, { datatype: spec.datatype, shape, data }];
    }),
  );
}

const seededShape = (spec: TensorSpec, info: ModelInfo): number[] =>
  spec.shape.map((d, axis) => (d !== -1 ? d : axis === 1 && info.rows ? info.rows : FREE));

/** A shape for `values` numbers: 1 for the batch, what is left over for the first other free dimension. */
function fill(shape: readonly number[], values: number): number[] {
  const filled = shape.map((d, axis) => (d === -1 && axis === 0 ? 1 : d));
  const fixed = filled.reduce((product, d) => (d === -1 ? product : product * d), 1);
  let left = values / fixed;
  return filled.map((d) => {
    if (d !== -1) return d;
    const here = left;
    left = 1;
    return here;
  });
}

/** Numbers as tensor data; integers are rounded, FP16 is left at zero, BYTES are their decimal text. */
function numbers(datatype: Datatype, values: Float64Array): TensorData {
  switch (datatype) {
    case 'FP64':
      return values;
    case 'FP32':
      return Float32Array.from(values);
    case 'FP16':
      return new Uint16Array(values.length);
    case 'BYTES':
      return Array.from(values, (value) => new TextEncoder().encode(String(value)));
    case 'INT64':
      return BigInt64Array.from(values as unknown as number[], (value) => BigInt(Math.round(value)));
    case 'UINT64':
      return BigUint64Array.from(values as unknown as number[], (value) =>
        BigInt(Math.round(Math.abs(value))),
      );
    case 'BOOL':
      return Uint8Array.from(values, (value) => (value > 0 ? 1 : 0));
    case 'INT8':
      return Int8Array.from(values);
    case 'UINT8':
      return Uint8Array.from(values, Math.abs);
    case 'INT16':
      return Int16Array.from(values);
    case 'UINT16':
      return Uint16Array.from(values, Math.abs);
    case 'INT32':
      return Int32Array.from(values);
    case 'UINT32':
      return Uint32Array.from(values, Math.abs);
  }
}

import type { Tensor, TensorSpec } from '../ports/tensor.ts';
import { tensorOf } from './golden-tensors.ts';
import { elements } from './tensor-data.ts';

/** Inputs for models of which nothing but shapes is known. */

/** Free dimensions of made-up inputs, but the first. */
export const FREE = 4;

/** Inputs of so many rows by name; undefined when one would have more than `most` values. */
export function madeUpInputs(
  specs: readonly TensorSpec[],
  rows: number,
  most: number,
  random: () => number,
): Record<string, Tensor> | undefined {
  const inputs: Record<string, Tensor> = {};
  for (const { name, datatype, shape: open } of specs) {
    const shape = open.map((d, axis) => (d >= 0 ? d : axis === 0 ? rows : FREE));
    if (elements(shape) > most) return undefined;
    const data = Array.from({ length: elements(shape) }, () => madeUp(datatype, random()));
    inputs[name] = tensorOf({ datatype, shape, data });
  }
  return inputs;
}

/** Small numbers, which most models take. */
function madeUp(datatype: TensorSpec['datatype'], random: number): number | string {
  if (datatype === 'BYTES') return `text ${Math.floor(Math.abs(random) * 10)}`;
  if (datatype === 'BOOL') return random > 0 ? 1 : 0;
  if (datatype.startsWith('FP')) return random;
  return Math.floor(Math.abs(random) * 3);
}

/** Numbers from -1 to 1, the same in every run (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Number((((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1).toFixed(4));
  };
}

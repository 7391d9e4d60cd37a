import type { TransformOf } from '../../graph/transform-schema.ts';
import { fromNumbers } from '../cast.ts';
import type { Floats } from '../preprocess.ts';
import {
  axisOf,
  cutAt,
  floatOf,
  type Make,
  needNumbers,
  newFloats,
  numbersOf,
  type TensorType,
  type Transform,
  wrong,
} from './transform.ts';

/** Transforms that keep the shape of their input. */

type Kernel = (from: Floats, to: Floats, shape: readonly number[]) => void;

function keeping(input: TensorType, kernel: Kernel): Transform {
  needNumbers(input);
  const datatype = floatOf(input.datatype);
  return {
    outputs: [{ name: 'out', datatype, shape: input.shape }],
    run([tensor]) {
      const from = numbersOf(tensor!);
      const data = newFloats(datatype, from.length);
      kernel(from, data, tensor!.shape);
      return [{ datatype, shape: tensor!.shape, data }];
    },
  };
}

const each =
  (map: (value: number) => number): Kernel =>
  (from, to) => {
    for (let i = 0; i < from.length; i++) to[i] = map(from[i]!);
  };

/** `factors[k]`, `offsets[k]` hold for place `k` along the axis; a single one for all. */
function linear(
  key: string,
  axis: number,
  factors: readonly number[],
  offsets: readonly number[],
  input: TensorType,
): Transform {
  const places = Math.max(factors.length, offsets.length);
  for (const list of [factors, offsets])
    if (list.length !== 1 && list.length !== places)
      throw wrong(key, `expected 1 or ${places} numbers, found ${list.length}`);
  if (places === 1) {
    const [factor, offset] = [factors[0]!, offsets[0]!];
    return keeping(input, (from, to) => {
      for (let i = 0; i < from.length; i++) to[i] = from[i]! * factor + offset;
    });
  }
  const at = axisOf(axis, input.shape.length);
  const length = input.shape[at]!;
  if (length !== -1 && length !== places)
    throw wrong(key, `${places} numbers for axis ${axis}, which has ${length} places`);
  return keeping(input, (from, to, shape) => {
    const { outer, length: found, inner } = cutAt(shape, at);
    if (found !== places) throw wrong(key, `${places} numbers for axis ${axis}, which has ${found} places`);
    let i = 0;
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < places; k++) {
        const factor = factors[factors.length === 1 ? 0 : k]!;
        const offset = offsets[offsets.length === 1 ? 0 : k]!;
        for (let end = i + inner; i < end; i++) to[i] = from[i]! * factor + offset;
      }
    }
  });
}

export const scale: Make<TransformOf<'scale'>> = ({ factor, offset, axis }, [input]) =>
  linear('factor', axis, factor, offset, input!);

export const offset: Make<TransformOf<'offset'>> = ({ by, axis }, [input]) =>
  linear('by', axis, [1], by, input!);

export const standardize: Make<TransformOf<'standardize'>> = ({ mean, std, axis }, [input]) => {
  const places = Math.max(mean.length, std.length);
  if (![1, places].includes(mean.length) || ![1, places].includes(std.length))
    throw wrong('std', `${std.length} numbers beside ${mean.length} of mean`);
  const at = (list: readonly number[], k: number): number => list[list.length === 1 ? 0 : k]!;
  const factors = Array.from({ length: places }, (_, k) => 1 / at(std, k));
  const offsets = Array.from({ length: places }, (_, k) => -at(mean, k) / at(std, k));
  return linear('mean', axis, factors, offsets, input!);
};

export const zscore: Make<TransformOf<'zscore'>> = ({ axes, epsilon }, [input]) => {
  const rank = input!.shape.length;
  const over = new Set(
    axes?.map((axis) => axisOf(axis, rank, 'axes')) ?? Array.from({ length: rank - 1 }, (_, i) => i + 1),
  );
  return keeping(input!, (from, to, shape) => {
    // Each value belongs to the group that its places along the other axes name.
    const group = new Uint32Array(from.length);
    let groups = 1;
    let inner = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const length = shape[axis]!;
      if (!over.has(axis)) {
        for (let i = 0; i < from.length; i++)
          group[i] = group[i]! + groups * (Math.floor(i / inner) % length);
        groups *= length;
      }
      inner *= length;
    }
    const count = from.length / groups;
    const mean = new Float64Array(groups);
    const spread = new Float64Array(groups);
    for (let i = 0; i < from.length; i++) mean[group[i]!]! += from[i]! / count;
    for (let i = 0; i < from.length; i++) spread[group[i]!]! += (from[i]! - mean[group[i]!]!) ** 2 / count;
    for (let i = 0; i < from.length; i++) {
      const g = group[i]!;
      const by = Math.sqrt(spread[g]!) + epsilon;
      to[i] = by === 0 ? 0 : (from[i]! - mean[g]!) / by;
    }
  });
};

export const log: Make<TransformOf<'log'>> = ({ base, floor, epsilon }, [input]) => {
  const by = base === 'e' ? 1 : 1 / Math.log(base);
  return keeping(
    input!,
    each((value) => Math.log(Math.max(value, floor) + epsilon) * by),
  );
};

export const power: Make<TransformOf<'power'>> = ({ exponent }, [input]) =>
  keeping(
    input!,
    each((value) => value ** exponent),
  );

export const abs: Make<TransformOf<'abs'>> = (_, [input]) => keeping(input!, each(Math.abs));

export const sigmoid: Make<TransformOf<'sigmoid'>> = (_, [input]) =>
  keeping(
    input!,
    each((value) => 1 / (1 + Math.exp(-value))),
  );

export const clip: Make<TransformOf<'clip'>> = (
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY },
  [input],
) =>
  keeping(
    input!,
    each((value) => Math.min(max, Math.max(min, value))),
  );

export const softmax: Make<TransformOf<'softmax'>> = ({ axis }, [input]) => {
  const at = axisOf(axis, input!.shape.length);
  return keeping(input!, (from, to, shape) => {
    const { outer, length, inner } = cutAt(shape, at);
    for (let o = 0; o < outer; o++) {
      for (let n = 0; n < inner; n++) {
        const first = o * length * inner + n;
        let most = Number.NEGATIVE_INFINITY;
        for (let k = 0; k < length; k++) most = Math.max(most, from[first + k * inner]!);
        let sum = 0;
        for (let k = 0; k < length; k++) {
          const value = Math.exp(from[first + k * inner]! - most);
          to[first + k * inner] = value;
          sum += value;
        }
        for (let k = 0; k < length; k++) to[first + k * inner]! /= sum;
      }
    }
  });
};

export const cast: Make<TransformOf<'cast'>> = ({ datatype }, [input]) => {
  needNumbers(input!);
  return {
    outputs: [{ name: 'out', datatype, shape: input!.shape }],
    run([tensor]) {
      if (tensor!.datatype === datatype) return [tensor!];
      return [{ datatype, shape: tensor!.shape, data: fromNumbers(numbersOf(tensor!), datatype) }];
    },
  };
};

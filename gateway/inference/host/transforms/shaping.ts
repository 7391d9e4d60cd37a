import type { Tensor } from '../../../ports/tensor.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import { elements } from '../../tensor-data.ts';
import {
  axisOf,
  copyData,
  cutAt,
  type Make,
  sameKind,
  sizeOf,
  type TensorType,
  type Transform,
  wrong,
} from './transform.ts';

/** Transforms that move values and compute none: every datatype goes through them. */

export const reshape: Make<TransformOf<'reshape'>> = ({ shape }, [input]) => {
  const fixed = shape.reduce((product, d) => (d === -1 ? product : product * d), 1);
  const open = shape.indexOf(-1);
  const filled = (size: number): number[] => {
    const rest = size / fixed;
    if (open === -1 ? size !== fixed : !Number.isInteger(rest))
      throw wrong('shape', `${size} values do not fill [${shape.join(', ')}]`);
    return shape.map((d) => (d === -1 ? rest : d));
  };
  const size = sizeOf(input!.shape);
  return {
    outputs: [{ name: 'out', datatype: input!.datatype, shape: size === -1 ? shape : filled(size) }],
    run: ([tensor]) => [{ ...tensor!, shape: filled(tensor!.data.length) }],
  };
};

export const transpose: Make<TransformOf<'transpose'>> = ({ order }, [input]) => {
  const rank = input!.shape.length;
  if (order.length !== rank) throw wrong('order', `${order.length} axes for ${rank} dimensions`);
  const turned = (shape: readonly number[]): number[] => order.map((axis) => shape[axis]!);
  return {
    outputs: [{ name: 'out', datatype: input!.datatype, shape: turned(input!.shape) }],
    run([tensor]) {
      const { data, shape: from, datatype } = tensor!;
      const shape = turned(from);
      const strides = order.map((axis) => cutAt(from, axis).inner);
      const out = sameKind(data, data.length) as { [index: number]: unknown };
      const place = new Array<number>(rank).fill(0);
      let at = 0;
      for (let i = 0; i < data.length; i++) {
        out[i] = data[at];
        for (let axis = rank - 1; axis >= 0; axis--) {
          at += strides[axis]!;
          if (++place[axis]! < shape[axis]!) break;
          at -= strides[axis]! * shape[axis]!;
          place[axis] = 0;
        }
      }
      return [{ datatype, shape, data: out as unknown as Tensor['data'] }];
    },
  };
};

export const concat: Make<TransformOf<'concat'>> = ({ axis }, inputs) => {
  const [first] = inputs;
  const at = axisOf(axis, first!.shape.length);
  const joined = (shapes: readonly TensorType[]): number[] => {
    const lengths = shapes.map(({ shape }) => shape[at]!);
    return shapes[0]!.shape.map((d, i) => {
      if (i === at) return lengths.includes(-1) ? -1 : lengths.reduce((sum, length) => sum + length, 0);
      return shapes.reduce((known, { shape }) => (known === -1 ? shape[i]! : known), d);
    });
  };
  const check = (types: readonly TensorType[]): void => {
    for (const [n, { datatype, shape }] of types.entries()) {
      if (datatype !== first!.datatype)
        throw wrong(`inputs[${n}]`, `expected ${first!.datatype} like the first, found ${datatype}`);
      const fits =
        shape.length === types[0]!.shape.length &&
        shape.every((d, i) => i === at || d === -1 || types[0]!.shape[i] === -1 || d === types[0]!.shape[i]);
      if (!fits)
        throw wrong(
          `inputs[${n}]`,
          `[${shape.join(', ')}] does not go with [${types[0]!.shape.join(', ')}] along axis ${axis}`,
        );
    }
  };
  check(inputs);
  return {
    outputs: [{ name: 'out', datatype: first!.datatype, shape: joined(inputs) }],
    run(tensors) {
      check(tensors);
      const shape = joined(tensors);
      const cuts = tensors.map((tensor) => cutAt(tensor.shape, at));
      const data = sameKind(tensors[0]!.data, elements(shape));
      let place = 0;
      for (let o = 0; o < cuts[0]!.outer; o++) {
        for (let n = 0; n < tensors.length; n++) {
          const block = cuts[n]!.length * cuts[n]!.inner;
          copyData(tensors[n]!.data, o * block, data, place, block);
          place += block;
        }
      }
      return [{ datatype: first!.datatype, shape, data }];
    },
  };
};

/** The places `[from, to)` along an axis. */
function part(tensor: Tensor, axis: number, from: number, to: number): Tensor {
  const { outer, length, inner } = cutAt(tensor.shape, axis);
  const block = (to - from) * inner;
  const data = sameKind(tensor.data, outer * block);
  for (let o = 0; o < outer; o++) copyData(tensor.data, (o * length + from) * inner, data, o * block, block);
  return { ...tensor, shape: tensor.shape.map((d, i) => (i === axis ? to - from : d)), data };
}

export const split: Make<TransformOf<'split'>> = ({ axis, sizes }, [input]) => {
  const at = axisOf(axis, input!.shape.length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const check = (length: number): void => {
    if (length !== -1 && length !== total)
      throw wrong('sizes', `together ${total}, axis ${axis} has ${length} places`);
  };
  check(input!.shape[at]!);
  return {
    outputs: sizes.map((size, i) => ({
      name: String(i),
      datatype: input!.datatype,
      shape: input!.shape.map((d, k) => (k === at ? size : d)),
    })),
    run([tensor]) {
      check(tensor!.shape[at]!);
      let from = 0;
      return sizes.map((size) => {
        from += size;
        return part(tensor!, at, from - size, from);
      });
    },
  };
};

export const slice: Make<TransformOf<'slice'>> = ({ axis, start, end }, [input]): Transform => {
  const at = axisOf(axis, input!.shape.length);
  const bounds = (length: number): [number, number] => {
    const from = start < 0 ? start + length : start;
    const to = end === undefined ? length : end < 0 ? end + length : end;
    if (from < 0 || to > length || from >= to)
      throw wrong('start', `${start} to ${end ?? 'the end'} of axis ${axis}, which has ${length} places`);
    return [from, to];
  };
  const sized = (length: number): number => {
    if (length === -1) return -1;
    const [from, to] = bounds(length);
    return to - from;
  };
  return {
    outputs: [
      {
        name: 'out',
        datatype: input!.datatype,
        shape: input!.shape.map((d, i) => (i === at ? sized(d) : d)),
      },
    ],
    run([tensor]) {
      const [from, to] = bounds(tensor!.shape[at]!);
      return [part(tensor!, at, from, to)];
    },
  };
};

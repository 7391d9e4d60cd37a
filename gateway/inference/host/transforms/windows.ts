import type { Tensor } from '../../../ports/tensor.ts';
import { rowsKept } from '../../graph/plan.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import {
  axisOf,
  copyData,
  cutAt,
  type Make,
  needNumbers,
  newFloats,
  numbersOf,
  sameKind,
  sizeOf,
  wrong,
} from './transform.ts';

/** Transforms that cut a sequence: within one run (`frames`) and over all runs of a device (`window`). */

export const frames: Make<TransformOf<'frames'>> = ({ size, hop, axis, pad }, [input]) => {
  const at = axisOf(axis, input!.shape.length);
  const countOf = (length: number): number => {
    if (length === -1) return -1;
    const count = pad
      ? Math.ceil(Math.max(0, length - size) / hop) + 1
      : Math.floor((length - size) / hop) + 1;
    if (count < 1) throw wrong('size', `frames of ${size} of ${length} values`);
    return count;
  };
  const framed = (shape: readonly number[], count: number): number[] => [
    ...shape.slice(0, at),
    count,
    size,
    ...shape.slice(at + 1),
  ];
  return {
    outputs: [
      { name: 'out', datatype: input!.datatype, shape: framed(input!.shape, countOf(input!.shape[at]!)) },
    ],
    run([tensor]) {
      const { outer, length, inner } = cutAt(tensor!.shape, at);
      const count = countOf(length);
      const data = sameKind(tensor!.data, outer * count * size * inner);
      if (pad && Array.isArray(data)) data.fill(new Uint8Array(0));
      for (let o = 0; o < outer; o++) {
        for (let f = 0; f < count; f++) {
          const rows = Math.min(size, length - f * hop);
          copyData(
            tensor!.data,
            (o * length + f * hop) * inner,
            data,
            (o * count + f) * size * inner,
            Math.max(0, rows) * inner,
          );
        }
      }
      return [{ ...tensor!, shape: framed(tensor!.shape, count), data }];
    },
  };
};

/** Inputs: new rows `[batch, n, ..of]` and those remembered `[batch, kept, ..of]`. */
export const window: Make<TransformOf<'window'>> = (params, [input, before]) => {
  const { rows, hop, of } = params;
  needNumbers(input!);
  const [batch = -1, fresh = -1, ...row] = input!.shape;
  if (row.length !== of.length || row.some((d, i) => d !== -1 && d !== of[i]))
    throw wrong('of', `a row has shape [${of.join(', ')}] here, [${row.join(', ')}] in what comes in`);
  const inner = sizeOf(of);
  const kept = rowsKept(params);
  const countOf = (added: number): number => {
    if (added === -1) return -1;
    if (hop === undefined) return 1;
    if (added % hop !== 0) throw wrong('hop', `${added} new rows are no multiple of ${hop}`);
    return added / hop;
  };
  const shapeOf = (items: number, added: number): number[] => {
    const count = countOf(added);
    return hop === undefined ? [items, rows, ...of] : [items, count, rows, ...of];
  };
  return {
    outputs: [
      { name: 'rows', datatype: 'FP32', shape: shapeOf(batch, fresh) },
      { name: 'after', datatype: 'FP32', shape: before!.shape },
    ],
    run([tensor, memory]) {
      const added = tensor!.shape[1]!;
      const items = tensor!.shape[0]!;
      const from = numbersOf(tensor!);
      const old = memory!.data as Float32Array;
      const count = countOf(added);
      const data = newFloats('FP32', items * count * rows * inner);
      const after = new Float32Array(items * kept * inner);
      const line = newFloats('FP32', (kept + added) * inner);
      for (let n = 0; n < items; n++) {
        line.set(old.subarray(n * kept * inner, (n + 1) * kept * inner));
        line.set(from.subarray(n * added * inner, (n + 1) * added * inner), kept * inner);
        for (let w = 0; w < count; w++) {
          const end = (kept + (hop === undefined ? added : (w + 1) * hop)) * inner;
          data.set(line.subarray(end - rows * inner, end), (n * count + w) * rows * inner);
        }
        after.set(line.subarray(line.length - kept * inner), n * kept * inner);
      }
      const shape = shapeOf(items, added);
      return [
        { datatype: 'FP32', shape, data },
        { datatype: 'FP32', shape: memory!.shape, data: after },
      ] satisfies Tensor[];
    },
  };
};

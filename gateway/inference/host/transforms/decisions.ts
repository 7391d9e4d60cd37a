import type { Tensor } from '../../../ports/tensor.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import {
  axisOf,
  cutAt,
  encodeLabels,
  floatOf,
  type Make,
  needNumbers,
  newFloats,
  numbersOf,
  wrong,
} from './transform.ts';

/** Transforms that decide: largest values, thresholds, labels, summaries of an axis. */

const without = (shape: readonly number[], axis: number): number[] => shape.filter((_, i) => i !== axis);

function needLabels(labels: readonly string[] | undefined, length: number): void {
  if (labels && length !== -1 && labels.length !== length)
    throw wrong('labels', `${labels.length} labels for ${length} values`);
}

export const argmax: Make<TransformOf<'argmax'>> = ({ axis, labels }, [input]) => {
  needNumbers(input!);
  const at = axisOf(axis, input!.shape.length);
  needLabels(labels, input!.shape[at]!);
  const texts = labels && encodeLabels(labels);
  const datatype = labels ? 'BYTES' : 'INT32';
  return {
    outputs: [{ name: 'out', datatype, shape: without(input!.shape, at) }],
    run([tensor]) {
      const from = numbersOf(tensor!);
      const { outer, length, inner } = cutAt(tensor!.shape, at);
      needLabels(labels, length);
      if (length === 0) throw wrong('inputs', 'there is no largest of no values');
      const best = new Int32Array(outer * inner);
      for (let o = 0; o < outer; o++) {
        for (let n = 0; n < inner; n++) {
          const first = o * length * inner + n;
          let top = 0;
          for (let k = 1; k < length; k++) if (from[first + k * inner]! > from[first + top * inner]!) top = k;
          if (Number.isNaN(from[first + top * inner]!))
            throw wrong('inputs', 'there is no largest value among NaN');
          best[o * inner + n] = top;
        }
      }
      const shape = without(tensor!.shape, at);
      if (!texts) return [{ datatype: 'INT32', shape, data: best }];
      return [{ datatype: 'BYTES', shape, data: Array.from(best, (index) => texts[index]!) }];
    },
  };
};

export const top: Make<TransformOf<'top'>> = ({ count, labels }, [input]) => {
  needNumbers(input!);
  const at = axisOf(-1, input!.shape.length);
  const among = input!.shape[at]!;
  needLabels(labels, among);
  if (among !== -1 && count > among) throw wrong('count', `${count} of ${among} values`);
  const texts = labels && encodeLabels(labels);
  const datatype = floatOf(input!.datatype);
  const shape = [...input!.shape.slice(0, -1), count];
  return {
    outputs: [
      { name: 'values', datatype, shape },
      { name: 'indices', datatype: 'INT32', shape },
      ...(texts ? [{ name: 'labels', datatype: 'BYTES' as const, shape }] : []),
    ],
    run([tensor]) {
      const from = numbersOf(tensor!);
      const { outer, length } = cutAt(tensor!.shape, tensor!.shape.length - 1);
      needLabels(labels, length);
      if (count > length) throw wrong('count', `${count} of ${length} values`);
      const values = newFloats(datatype, outer * count);
      const indices = new Int32Array(outer * count);
      for (let o = 0; o < outer; o++) {
        const row = from.subarray(o * length, (o + 1) * length);
        const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
        for (let k = 0; k < count; k++) {
          indices[o * count + k] = order[k]!;
          values[o * count + k] = row[order[k]!]!;
        }
      }
      const found = [...tensor!.shape.slice(0, -1), count];
      const tensors: Tensor[] = [
        { datatype, shape: found, data: values },
        { datatype: 'INT32', shape: found, data: indices },
      ];
      if (texts)
        tensors.push({ datatype: 'BYTES', shape: found, data: Array.from(indices, (i) => texts[i]!) });
      return tensors;
    },
  };
};

export const threshold: Make<TransformOf<'threshold'>> = ({ value, labels }, [input]) => {
  needNumbers(input!);
  const texts = labels && encodeLabels(labels);
  return {
    outputs: [{ name: 'out', datatype: texts ? 'BYTES' : 'BOOL', shape: input!.shape }],
    run([tensor]) {
      const { shape } = tensor!;
      const above = Uint8Array.from(numbersOf(tensor!), (found) => {
        if (Number.isNaN(found)) throw wrong('inputs', 'NaN is neither below nor above a threshold');
        return found >= value ? 1 : 0;
      });
      if (!texts) return [{ datatype: 'BOOL', shape, data: above }];
      return [{ datatype: 'BYTES', shape, data: Array.from(above, (bit) => texts[bit]!) }];
    },
  };
};

export const labels: Make<TransformOf<'labels'>> = ({ labels: names }, [input]) => {
  needNumbers(input!);
  const texts = encodeLabels(names);
  return {
    outputs: [{ name: 'out', datatype: 'BYTES', shape: input!.shape }],
    run([tensor]) {
      const data = Array.from(numbersOf(tensor!), (index) => {
        const text = texts[index];
        if (!text) throw wrong('labels', `there is no label for ${index}, only for 0 to ${texts.length - 1}`);
        return text;
      });
      return [{ datatype: 'BYTES', shape: tensor!.shape, data }];
    },
  };
};

const REDUCERS = {
  mean: { start: 0, add: (sum: number, value: number) => sum + value },
  sum: { start: 0, add: (sum: number, value: number) => sum + value },
  min: { start: Number.POSITIVE_INFINITY, add: Math.min },
  max: { start: Number.NEGATIVE_INFINITY, add: Math.max },
};

export const reduce: Make<TransformOf<'reduce'>> = ({ by, axis, keep }, [input]) => {
  needNumbers(input!);
  const at = axisOf(axis, input!.shape.length);
  const datatype = floatOf(input!.datatype);
  const shapeOf = (shape: readonly number[]): number[] =>
    keep ? shape.map((d, i) => (i === at ? 1 : d)) : without(shape, at);
  const { start, add } = REDUCERS[by];
  return {
    outputs: [{ name: 'out', datatype, shape: shapeOf(input!.shape) }],
    run([tensor]) {
      const from = numbersOf(tensor!);
      const { outer, length, inner } = cutAt(tensor!.shape, at);
      if (length === 0) throw wrong('inputs', `there is no ${by} of no values`);
      const data = newFloats(datatype, outer * inner);
      for (let o = 0; o < outer; o++) {
        for (let n = 0; n < inner; n++) {
          let value = start;
          for (let k = 0; k < length; k++) value = add(value, from[(o * length + k) * inner + n]!);
          data[o * inner + n] = by === 'mean' ? value / length : value;
        }
      }
      return [{ datatype, shape: shapeOf(tensor!.shape), data }];
    },
  };
};

import { expect, test } from 'vitest';
import { postprocess, type Values } from '../../gateway/inference/host/postprocess.ts';
import { preprocess, type Windows } from '../../gateway/inference/host/preprocess.ts';
import { postprocessStep, preprocessStep } from '../../gateway/inference/manifest.ts';

const windows = (data: number[], count: number, rows: number, columns: number): Windows => ({
  data: Float64Array.from(data),
  count,
  rows,
  columns,
});
const before = (w: Windows, steps: object[], contexts: Float32Array[] = []): Windows =>
  preprocess(
    w,
    steps.map((step) => preprocessStep.parse(step)),
    contexts,
  );
const after = (data: number[], per: number, ...steps: object[]): Record<string, number[]> => {
  const results = new Map<string, Values>([['x', { data: Float64Array.from(data), per }]]);
  postprocess(
    results,
    steps.map((step) => postprocessStep.parse({ output: 'x', ...step })),
    data.length / per,
  );
  return Object.fromEntries([...results].map(([name, values]) => [name, [...values.data]]));
};

test('scale and standardize, per column and for all columns', () => {
  expect([
    ...before(windows([1, 2, 3, 4], 1, 2, 2), [{ step: 'scale', factor: 10, offset: 1 }]).data,
  ]).toEqual([11, 21, 31, 41]);
  const perColumn = { step: 'standardize', mean: [1, 2], std: [1, 2] };
  expect([...before(windows([1, 2, 3, 6, 5, 10], 3, 1, 2), [perColumn]).data]).toEqual([0, 0, 2, 2, 4, 4]);
  const same = { step: 'standardize', mean: [1], std: [2] };
  expect([...before(windows([1, 3, 5, 7], 1, 2, 2), [same]).data]).toEqual([0, 1, 2, 3]);
});

test('zscore treats each window and column for itself and makes zeros of a constant one', () => {
  const step = { step: 'zscore', epsilon: 0 };
  const { data } = before(windows([1, 5, 3, 5, 10, 0, 30, 4], 2, 2, 2), [step]);
  expect([...data]).toEqual([-1, 0, 1, 0, -1, -1, 1, 1]);
});

test('zscore keeps small differences of large values', () => {
  const { data } = before(windows([1e9, 1e9 + 0.001], 1, 2, 1), [{ step: 'zscore', epsilon: 0 }]);
  expect(data[1]! - data[0]!).toBeCloseTo(2, 3);
});

test('context puts the rows before in front, also when the window is shorter than it', () => {
  const contexts = [Float32Array.of(0, 0, 7, 8)];
  const first = before(windows([1, 2, 3, 4], 2, 2, 1), [{ step: 'context', rows: 2 }], contexts);
  expect([...first.data]).toEqual([0, 0, 1, 2, 7, 8, 3, 4]);
  expect(first.rows).toBe(4);
  expect([...contexts[0]!]).toEqual([1, 2, 3, 4]);
  const long = [Float32Array.of(1, 2, 3)];
  before(windows([9], 1, 1, 1), [{ step: 'context', rows: 3 }], long);
  expect([...long[0]!]).toEqual([2, 3, 9]);
});

test('transpose turns each window', () => {
  const turned = before(windows([1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16], 2, 3, 2), [
    { step: 'transpose' },
  ]);
  expect([...turned.data]).toEqual([1, 3, 5, 2, 4, 6, 11, 13, 15, 12, 14, 16]);
  expect([turned.rows, turned.columns]).toEqual([2, 3]);
});

test('argmax, softmax, threshold, scalar and clip', () => {
  expect(after([1, 3, 2, 9, 0, 9], 3, { step: 'argmax', as: 'best' }).best).toEqual([1, 0]);
  const soft = after([0, Math.log(3), 1000, 1000], 2, { step: 'softmax' }).x!;
  expect(soft[0]).toBeCloseTo(0.25, 12);
  expect(soft.slice(2)).toEqual([0.5, 0.5]);
  expect(after([0.4, 0.5, 0.6], 1, { step: 'threshold', value: 0.5 }).x).toEqual([0, 1, 1]);
  expect(after([1, 2, 3, 4], 2, { step: 'scalar', index: 1 }).x).toEqual([2, 4]);
  expect(after([-1, 0.5, 2], 1, { step: 'clip', min: 0, max: 1 }).x).toEqual([0, 0.5, 1]);
});

test('steps follow one another and NaN is never turned into an answer', () => {
  const chained = after([0, 5], 2, { step: 'softmax', as: 'p' }, { output: 'p', step: 'argmax', as: 'best' });
  expect(Object.keys(chained)).toEqual(['x', 'p', 'best']);
  expect(chained.best).toEqual([1]);
  expect(after([Number.NaN, Number.NaN], 2, { step: 'argmax' }).x).toEqual([Number.NaN]);
  expect(after([Number.NaN], 1, { step: 'threshold', value: 0 }).x).toEqual([Number.NaN]);
  expect(() => after([1, 2], 2, { step: 'scalar', index: 2 })).toThrow(RangeError);
  expect(() => after([1, 2], 2, { step: 'argmax', labels: ['a'] })).toThrow(RangeError);
});

import { expect, test } from 'vitest';
import type { Tensor } from '../../../gateway/ports/tensor.ts';
import { apply, fp32, int, numbers, texts } from './harness.ts';

const out = async (params: object, ...tensors: Tensor[]): Promise<number[]> =>
  numbers((await apply(params, ...tensors)).out);

test('scale, offset and standardize: one number for all, or one for each place along an axis', async () => {
  const x = fp32([1, 2, 2], [1, 2, 3, 4]);
  expect(await out({ transform: 'scale', factor: 10, offset: 1 }, x)).toEqual([11, 21, 31, 41]);
  expect(await out({ transform: 'scale', factor: [1, 10], axis: 1 }, x)).toEqual([1, 2, 30, 40]);
  expect(await out({ transform: 'scale', factor: [1, 10] }, x)).toEqual([1, 20, 3, 40]);
  expect(await out({ transform: 'offset', by: [0, 5] }, x)).toEqual([1, 7, 3, 9]);
  expect(await out({ transform: 'standardize', mean: [1, 2], std: [2, 4], axis: 1 }, x)).toEqual([
    0, 0.5, 0.25, 0.5,
  ]);
});

test('zscore over all but the batch, or over chosen axes', async () => {
  const x = fp32([2, 2, 2], [1, 5, 3, 5, 10, 0, 30, 4]);
  expect(await out({ transform: 'zscore', axes: [1], epsilon: 0 }, x)).toEqual([-1, 0, 1, 0, -1, -1, 1, 1]);
  const all = await out({ transform: 'zscore', epsilon: 0 }, fp32([2, 2], [1, 3, 10, 30]));
  expect(all).toEqual([-1, 1, -1, 1]);
});

test('log with floor and base, power, abs, clip, sigmoid', async () => {
  expect(await out({ transform: 'log', base: 10, floor: 0.01 }, fp32([3], [100, 1, 0]))).toEqual([2, 0, -2]);
  expect(await out({ transform: 'log', base: 2, epsilon: 1 }, fp32([1], [7]))).toEqual([3]);
  expect(await out({ transform: 'power', exponent: 2 }, fp32([2], [3, -4]))).toEqual([9, 16]);
  expect(await out({ transform: 'abs' }, fp32([2], [3, -4]))).toEqual([3, 4]);
  expect(await out({ transform: 'clip', min: 0, max: 1 }, fp32([3], [-1, 0.5, 7]))).toEqual([0, 0.5, 1]);
  expect(await out({ transform: 'sigmoid' }, fp32([1], [0]))).toEqual([0.5]);
});

test('cast rounds integers and holds them within their range', async () => {
  const { out: cast } = await apply({ transform: 'cast', datatype: 'UINT8' }, fp32([4], [-3, 1.4, 1.6, 300]));
  expect(cast).toEqual({ datatype: 'UINT8', shape: [4], data: Uint8Array.of(0, 1, 2, 255) });
  const { out: long } = await apply({ transform: 'cast', datatype: 'INT64' }, int([-7]));
  expect(long!.data).toEqual(BigInt64Array.of(-7n));
});

test('softmax along any axis', async () => {
  const x = fp32([1, 2, 2], [0, 1000, Math.log(3), 1000]);
  const soft = await out({ transform: 'softmax', axis: 1 }, x);
  expect(soft[0]).toBeCloseTo(0.25, 6);
  expect(soft[2]).toBeCloseTo(0.75, 6);
  expect([soft[1], soft[3]]).toEqual([0.5, 0.5]);
});

test('argmax, top, threshold and labels', async () => {
  const x = fp32([2, 3], [1, 3, 2, 9, 0, 9]);
  expect(await out({ transform: 'argmax' }, x)).toEqual([1, 0]);
  expect(texts((await apply({ transform: 'argmax', labels: ['a', 'b', 'c'] }, x)).out)).toEqual(['b', 'a']);
  const top = await apply({ transform: 'top', count: 2, labels: ['a', 'b', 'c'] }, x);
  expect(numbers(top.values)).toEqual([3, 2, 9, 9]);
  expect(numbers(top.indices)).toEqual([1, 2, 0, 2]);
  expect(texts(top.labels)).toEqual(['b', 'c', 'a', 'c']);
  expect(await out({ transform: 'threshold', value: 2 }, x)).toEqual([0, 1, 1, 1, 0, 1]);
  const words = await apply({ transform: 'threshold', value: 2, labels: ['low', 'high'] }, fp32([2], [1, 2]));
  expect(texts(words.out)).toEqual(['low', 'high']);
  expect(texts((await apply({ transform: 'labels', labels: ['no', 'yes'] }, int([1, 0]))).out)).toEqual([
    'yes',
    'no',
  ]);
  await expect(apply({ transform: 'labels', labels: ['no'] }, int([1]))).rejects.toThrow(
    'there is no label for 1',
  );
  await expect(apply({ transform: 'argmax' }, fp32([2], [Number.NaN, Number.NaN]))).rejects.toThrow('NaN');
});

test('reduce over an axis', async () => {
  const x = fp32([1, 2, 3], [1, 2, 3, 4, 5, 6]);
  expect(await out({ transform: 'reduce', by: 'mean', axis: 1 }, x)).toEqual([2.5, 3.5, 4.5]);
  expect(await out({ transform: 'reduce', by: 'max', axis: -1 }, x)).toEqual([3, 6]);
  expect((await apply({ transform: 'reduce', by: 'sum', axis: 2, keep: true }, x)).out!.shape).toEqual([
    1, 2, 1,
  ]);
});

test('reshape, transpose, concat, split and slice move every datatype', async () => {
  const x = fp32([2, 3], [1, 2, 3, 4, 5, 6]);
  expect((await apply({ transform: 'reshape', shape: [-1, 2] }, x)).out!.shape).toEqual([3, 2]);
  expect(await out({ transform: 'transpose', order: [1, 0] }, x)).toEqual([1, 4, 2, 5, 3, 6]);
  const cube = fp32([2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]);
  expect(await out({ transform: 'transpose', order: [2, 0, 1] }, cube)).toEqual([0, 2, 4, 6, 1, 3, 5, 7]);
  const joined = await apply({ transform: 'concat', axis: 1 }, x, fp32([2, 1], [7, 8]));
  expect(numbers(joined.out)).toEqual([1, 2, 3, 7, 4, 5, 6, 8]);
  const parts = await apply({ transform: 'split', axis: 1, sizes: [1, 2] }, x);
  expect([numbers(parts['0']), numbers(parts['1'])]).toEqual([
    [1, 4],
    [2, 3, 5, 6],
  ]);
  expect(await out({ transform: 'slice', axis: 1, start: -2 }, x)).toEqual([2, 3, 5, 6]);
  const words: Tensor = { datatype: 'BYTES', shape: [2], data: [Uint8Array.of(1), Uint8Array.of(2)] };
  const swapped = await apply({ transform: 'slice', axis: 0, start: 1 }, words);
  expect(swapped.out!.data).toEqual([Uint8Array.of(2)]);
  await expect(apply({ transform: 'reshape', shape: [4] }, x)).rejects.toThrow(
    'shape: 6 values do not fill [4]',
  );
  await expect(apply({ transform: 'split', axis: 1, sizes: [1, 1] }, x)).rejects.toThrow('sizes: together 2');
});

test('frames overlap, and the last one can be filled up', async () => {
  const x = fp32([1, 5], [1, 2, 3, 4, 5]);
  const cut = await apply({ transform: 'frames', size: 3, hop: 2 }, x);
  expect(cut.out!.shape).toEqual([1, 2, 3]);
  expect(numbers(cut.out)).toEqual([1, 2, 3, 3, 4, 5]);
  expect(await out({ transform: 'frames', size: 2, hop: 2, pad: true }, x)).toEqual([1, 2, 3, 4, 5, 0]);
});

test('window remembers the rows of each item from run to run', async () => {
  const params = { transform: 'window', rows: 4, hop: 2, of: [] };
  let memory = fp32([2, 2], [0, 0, 0, 0]);
  const first = await apply(params, fp32([2, 2], [1, 2, 10, 20]), memory);
  expect(first.rows!.shape).toEqual([2, 1, 4]);
  expect(numbers(first.rows)).toEqual([0, 0, 1, 2, 0, 0, 10, 20]);
  memory = first.after!;
  const second = await apply(params, fp32([2, 4], [3, 4, 5, 6, 30, 40, 50, 60]), memory);
  expect(second.rows!.shape).toEqual([2, 2, 4]);
  expect(numbers(second.rows)).toEqual([1, 2, 3, 4, 3, 4, 5, 6, 10, 20, 30, 40, 30, 40, 50, 60]);
  expect(numbers(second.after)).toEqual([5, 6, 50, 60]);
});

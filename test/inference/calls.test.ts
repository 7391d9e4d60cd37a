import { expect, test } from 'vitest';
import type { TensorRequest } from '../../gateway/ports/inference.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { loopingModel, mlpModel, pairModel, tableModel } from '../support/onnx.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { writeBundle } from './bundles.ts';
import { loopingManifest, mlpManifest, rowItems, runItems, startInference, summary } from './service.ts';

const fp32 = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

const call = (inputs: TensorRequest['inputs'], more: Partial<TensorRequest> = {}): TensorRequest => ({
  inputs,
  priority: 'interactive',
  account: 'consumer/test',
  ...more,
});

const numbers = (tensor: Tensor | undefined): number[] =>
  Array.from(tensor!.data as Float32Array, (x) => Number(x));
const texts = (tensor: Tensor | undefined): string[] =>
  (tensor!.data as readonly Uint8Array[]).map((bytes) => new TextDecoder().decode(bytes));

const pair = {
  name: 'pair',
  model: pairModel(2),
  manifest: {
    inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [-1, 2], from: 'request' })),
    outputs: ['sum', 'product'].map((name) => ({ name, datatype: 'FP32', shape: [-1, 2] })),
  },
};

test('calls share runs, each gets its own rows, and more rows than a run takes are put together again', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { ...pair, manifest: { ...pair.manifest, limits: { maxBatch: 16 } } });
  const { inference } = await startInference(dir, { preload: ['pair'] });
  const calls = Array.from({ length: 60 }, (_, i) => {
    const rows = 1 + (i % 3);
    const a = Array.from({ length: rows * 2 }, (_, v) => i + v);
    const inputs = { a: fp32([rows, 2], a), b: fp32([rows, 2], a) };
    return inference.infer('pair', call(inputs, i % 2 ? { outputs: ['product'] } : {}));
  });
  for (const [i, answer] of (await Promise.all(calls)).entries()) {
    if (!answer.ok) expect.fail(answer.message);
    const a = Array.from({ length: (1 + (i % 3)) * 2 }, (_, v) => i + v);
    expect(numbers(answer.outputs.product)).toEqual(a.map((x) => x * x));
    expect(answer.outputs.product!.shape).toEqual([1 + (i % 3), 2]);
    if (i % 2) expect(Object.keys(answer.outputs)).toEqual(['product']);
    else expect(numbers(answer.outputs.sum)).toEqual(a.map((x) => 2 * x));
    expect(answer.computeUs).toBeGreaterThanOrEqual(1);
  }
  const stats = inference.stats().models['pair@1']!;
  expect(stats.items).toBe(120);
  expect(stats.largestBatch).toBeGreaterThan(8);
  expect(stats.largestBatch).toBeLessThanOrEqual(16);
  expect(stats.batchSize.counts.reduce((a, b) => a + b)).toBe(stats.runs);
  expect(stats.waitMs.interactive.counts.reduce((a, b) => a + b)).toBe(120);
  const many = Array.from({ length: 100 }, (_, i) => i);
  const large = await inference.infer('pair', call({ a: fp32([50, 2], many), b: fp32([50, 2], many) }));
  if (!large.ok) expect.fail(large.message);
  expect(large.outputs.sum!.shape).toEqual([50, 2]);
  expect(numbers(large.outputs.sum)).toEqual(many.map((x) => 2 * x));
  // Two at once: the second finds no room for all its rows, so none of them is computed.
  const before = inference.stats().models['pair@1']!.items;
  const rows = 10_000;
  const inputs = {
    a: fp32([rows, 2], new Float32Array(2 * rows)),
    b: fp32([rows, 2], new Float32Array(2 * rows)),
  };
  const two = await Promise.all([1, 2].map(() => inference.infer('pair', call(inputs))));
  expect(two.map((answer) => answer.ok || answer.code)).toEqual([true, 'QUEUE_FULL']);
  expect(inference.stats().models['pair@1']!.items).toBe(before + rows);
});

test('what does not fit the face is said before a host sees it; a number that is not finite is an answer', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, pair);
  const { inference } = await startInference(dir, { preload: ['pair'] });
  const good = fp32([1, 2], [1, 2]);
  const refused = async (inputs: TensorRequest['inputs'], more: Partial<TensorRequest> = {}) => {
    const answer = await inference.infer('pair', call(inputs, more));
    expect(answer).toMatchObject({ ok: false, code: 'MODEL_SHAPE', model: { name: 'pair', version: '1' } });
    return answer.ok ? '' : answer.message;
  };
  expect(await refused({ a: good })).toBe('pair@1: input "b": got nothing, expected FP32 [-1, 2]');
  expect(await refused({ a: good, b: good, c: good })).toBe('pair@1 has no input "c": got c, expected a, b');
  expect(await refused({ a: good, b: fp32([1, 3], [1, 2, 3]) })).toContain('got FP32 [1, 3], expected FP32');
  expect(await refused({ a: good, b: { ...good, datatype: 'FP64' } })).toContain('got FP64 [1, 2]');
  expect(await refused({ a: good, b: { ...good, data: Uint8Array.of(1, 2) } })).toContain(
    'data of another kind',
  );
  expect(await refused({ a: good, b: fp32([1, 2], [1]) })).toContain('got 1 values, expected 2 values');
  expect(await refused({ a: good, b: fp32([2, 2], [1, 2, 3, 4]) })).toContain('got 2 rows, expected 1 rows');
  expect(await refused({ a: fp32([0, 2], []), b: fp32([0, 2], []) })).toContain('got no rows');
  expect(await refused({ a: good, b: good }, { outputs: ['other'] })).toContain('has no output "other"');
  expect(inference.stats().models['pair@1']!.runs).toBe(0);
  const odd = await inference.infer('pair', call({ a: fp32([1, 2], [Number.NaN, Infinity]), b: good }));
  if (!odd.ok) expect.fail(odd.message);
  expect(numbers(odd.outputs.sum)).toEqual([Number.NaN, Infinity]);
  expect(await inference.infer('none', call({}))).toMatchObject({
    ok: false,
    code: 'MODEL_MISSING',
    model: undefined,
  });
  expect(inference.ready('pair')).toBe(true);
  expect(inference.ready('none')).toBe(false);
  expect(inference.versions('pair')).toEqual(['1']);
  expect(inference.versions('none')).toEqual([]);
});

test('a call that fails its run does not fail those it was put together with', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, {
    name: 'table',
    model: tableModel([10, 20, 30]),
    manifest: {
      inputs: [{ name: 'index', datatype: 'INT64', shape: [-1, 1], from: 'request' }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 1] }],
    },
  });
  const { inference } = await startInference(dir, { preload: ['table'] });
  const indexes = [0, 1, 7, 2, 0, -9, 1];
  const answers = await Promise.all(
    indexes.map((index) => {
      const data = BigInt64Array.of(BigInt(index));
      return inference.infer('table', call({ index: { datatype: 'INT64', shape: [1, 1], data } }));
    }),
  );
  const found = answers.map((answer) => (answer.ok ? numbers(answer.outputs.output)[0] : answer.code));
  expect(found).toEqual([10, 20, 'MODEL_RUN', 30, 10, 'MODEL_RUN', 20]);
  const { failures, failuresBy } = inference.stats().models['table@1']!;
  expect(failures).toEqual({ MODEL_RUN: 2 });
  expect(failuresBy.interactive).toEqual({ MODEL_RUN: 2 });
});

test('the face is before preprocessing and behind postprocessing, and pipelines share its runs', async () => {
  const dir = temporaryFolder();
  const manifest = {
    ...mlpManifest(4, 3),
    preprocess: [{ step: 'standardize', mean: [1], std: [2] }],
    postprocess: [
      { output: 'out', step: 'argmax', labels: ['low', 'middle', 'high'], as: 'label' },
      { output: 'out', step: 'argmax', as: 'index' },
      { output: 'out', step: 'threshold', value: 0, as: 'above' },
      { output: 'out', step: 'softmax' },
    ],
  };
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest });
  const { inference } = await startInference(dir, { preload: ['mlp'] });
  const info = inference.model('mlp');
  expect(info.inputs).toEqual([{ name: 'input', datatype: 'FP64', shape: [-1, 1, 4] }]);
  expect(info.outputs).toEqual([
    { name: 'out', datatype: 'FP32', shape: [-1, 3] },
    { name: 'label', datatype: 'BYTES', shape: [-1, 1] },
    { name: 'index', datatype: 'INT64', shape: [-1, 1] },
    { name: 'above', datatype: 'BOOL', shape: [-1, 1] },
  ]);
  const rows = Array.from({ length: 20 }, (_, i) => [i, -i, 2 * i, 1]);
  const input: Tensor = { datatype: 'FP64', shape: [20, 1, 4], data: Float64Array.from(rows.flat()) };
  const [answer, windows] = await Promise.all([
    inference.infer('mlp', call({ input })),
    runItems(inference, 'mlp', rowItems(rows)),
  ]);
  if (!answer.ok) expect.fail(answer.message);
  expect(texts(answer.outputs.label)).toEqual(summary(windows, 'label'));
  expect(numbers(answer.outputs.index)).toEqual(summary(windows, 'index'));
  expect(numbers(answer.outputs.above).map(Boolean)).toEqual(summary(windows, 'above'));
  expect(numbers(answer.outputs.out)).toEqual(
    (summary(windows, 'out') as number[][]).flat().map(Math.fround),
  );
  expect(inference.stats().models['mlp@1']).toMatchObject({ runs: 1, items: 40, largestBatch: 40 });
});

test('a call is answered by its deadline although the model hangs, and too many are refused and counted', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'looping', model: loopingModel(), manifest: loopingManifest('60s') });
  const { inference } = await startInference(dir, { preload: ['looping'], maxWaiting: 40 });
  const input = fp32([1, 1], [1e12]);
  const endless = inference.infer('looping', call({ input }, { deadline: 300 }));
  await until(() => inference.stats().inFlight === 1, 'the run to begin');
  const quick = fp32([1, 1], [1]);
  const from = (account: string, priority: 'interactive' | 'bulk' = 'interactive', deadline = 200) =>
    inference.infer('looping', call({ input: quick }, { account, priority, deadline }));
  const calls = ['a', 'b', 'c', 'd', 'e'].flatMap((account) =>
    Array.from({ length: 12 }, () => from(account)),
  );
  const bulk = from('a', 'bulk');
  const codes = (await Promise.all(calls)).map((answer) => (answer.ok ? 'ok' : answer.code));
  // A quarter of the queue each, until it is full.
  expect(codes.filter((code) => code === 'DEADLINE')).toHaveLength(40);
  expect(codes.filter((code) => code === 'QUEUE_FULL')).toHaveLength(20);
  expect(codes.slice(0, 12).filter((code) => code === 'QUEUE_FULL')).toHaveLength(2);
  expect(await bulk).toMatchObject({ ok: false, code: 'DEADLINE' });
  expect(await endless).toMatchObject({ ok: false, code: 'DEADLINE' });
  const { failuresBy } = inference.stats().models['looping@1']!;
  expect(failuresBy.interactive).toEqual({ DEADLINE: 41, QUEUE_FULL: 20 });
  expect(failuresBy.bulk).toEqual({ DEADLINE: 1 });
  process.kill(inference.stats().host.pid!, 'SIGKILL');
  expect(await from('a', 'interactive', 20_000)).toMatchObject({ ok: true });
});

test('with a delay, a batch that is not full waits for more although the host is idle', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { ...pair, manifest: { ...pair.manifest, limits: { maxBatch: 4, maxDelay: '1500ms' } } });
  const { inference } = await startInference(dir, { preload: ['pair'] });
  const row = fp32([1, 2], [1, 2]);
  const one = (): Promise<unknown> => inference.infer('pair', call({ a: row, b: row }));
  const first = one();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(inference.stats()).toMatchObject({ waiting: 1, inFlight: 0 });
  await Promise.all([first, one(), one(), one()]);
  expect(inference.stats().models['pair@1']).toMatchObject({ runs: 1, items: 4 });
  expect(await one()).toMatchObject({ ok: true });
  expect(inference.stats().models['pair@1']).toMatchObject({ runs: 2, items: 5 });
});

test('a call that ends the host twice is POISON; calls beside it are answered, whatever kills the host', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'looping', model: loopingModel(), manifest: loopingManifest('500ms') });
  writeBundle(dir, pair);
  const { inference } = await startInference(dir, { preload: ['looping', 'pair'] });
  const patient = { deadline: 60_000 };
  const calls = Array.from({ length: 12 }, (_, i) =>
    inference.infer('looping', call({ input: fp32([1, 1], [i === 5 ? 1e12 : i]) }, patient)),
  );
  const row = fp32([1, 2], [1, 2]);
  const others = Array.from({ length: 5 }, () => inference.infer('pair', call({ a: row, b: row }, patient)));
  const found = (await Promise.all(calls)).map((answer) =>
    answer.ok ? numbers(answer.outputs.output ?? answer.outputs.out)[0] : answer.code,
  );
  expect(found).toEqual(Array.from({ length: 12 }, (_, i) => (i === 5 ? 'POISON' : i)));
  expect((await Promise.all(others)).every(({ ok }) => ok)).toBe(true);
  expect(inference.stats().host.restarts).toBe(2);
  const many = Array.from({ length: 200 }, () => inference.infer('pair', call({ a: row, b: row }, patient)));
  process.kill(inference.stats().host.pid!, 'SIGKILL');
  expect((await Promise.all(many)).every(({ ok }) => ok)).toBe(true);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseManifest } from '../../../gateway/inference/bundle.ts';
import { createOnnxRunner } from '../../../gateway/inference/runners/onnx.ts';
import { mlpModel } from '../../support/onnx.ts';
import { fp32, graphManifest, numbers, openGraph, texts } from './harness.ts';

const SHA = 'ab'.repeat(32);
const input = (shape: readonly number[], rest: object = {}) => ({
  name: 'x',
  datatype: 'FP32',
  shape,
  from: 'window',
  ...rest,
});
const output = (name: string, shape: readonly number[], datatype = 'FP32', as = 'out') => ({
  name,
  datatype,
  shape,
  as,
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aimx-'));
  writeFileSync(join(folder, 'two.onnx'), mlpModel([4, 3]));
  writeFileSync(join(folder, 'one.onnx'), mlpModel([4, 3], 1));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const net = (name: string, from: string, model = 'two.onnx') => ({
  name,
  model,
  sha256: SHA,
  inputs: { input: from },
});

test('models and transforms one after another, as computed one by one', async () => {
  const graph = await openGraph(
    {
      inputs: [input([-1, 4])],
      outputs: [output('probabilities', [-1, 3]), output('best', [-1], 'BYTES', 'label')],
      graph: [
        { name: 'scaled', transform: 'scale', factor: 2, inputs: 'x' },
        net('net', 'scaled'),
        { name: 'probabilities', transform: 'softmax', inputs: 'net.output' },
        { name: 'best', transform: 'argmax', inputs: 'probabilities', labels: ['a', 'b', 'c'] },
      ],
    },
    folder,
  );
  const x = [1, -2, 3, 0.5, 0, 0, 1, 0];
  const found = await graph.run({ x: fp32([2, 4], x) });
  const alone = await createOnnxRunner().load(join(folder, 'two.onnx'));
  const direct = numbers(
    (
      await alone.run({
        input: fp32(
          [2, 4],
          x.map((v) => v * 2),
        ),
      })
    ).output,
  );
  for (const n of [0, 1]) {
    const row = direct.slice(n * 3, n * 3 + 3).map(Math.exp);
    const sum = row.reduce((a, b) => a + b, 0);
    for (const [i, value] of row.entries())
      expect(numbers(found.probabilities)[n * 3 + i]).toBeCloseTo(value / sum, 5);
    expect(texts(found.best)[n]).toBe('abc'[row.indexOf(Math.max(...row))]);
  }
  expect(graph.outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
    ['probabilities', 'FP32', [-1, 3]],
    ['best', 'BYTES', [-1]],
  ]);
  await alone.dispose();
  await graph.dispose();
});

test('a model for one item makes the whole graph one', async () => {
  const parts = { inputs: [input([-1, 4])], outputs: [output('net', [-1, 3])] };
  const one = await openGraph({ ...parts, graph: [net('net', 'x', 'one.onnx')] }, folder);
  expect(one.inputs[0]!.shape).toEqual([1, 4]);
  const many = await openGraph({ ...parts, graph: [net('net', 'x')] }, folder);
  expect(many.inputs[0]!.shape).toEqual([-1, 4]);
});

test('the rows of window nodes become state of the model', () => {
  const manifest = parseManifest(
    graphManifest({
      inputs: [input([-1, 2, 5])],
      outputs: [output('w', [-1, 8, 5])],
      graph: [{ name: 'w', transform: 'window', rows: 8, of: [5], inputs: 'x' }],
    }),
    'model.yaml',
  );
  expect(manifest.state).toEqual([{ input: 'w.before', output: 'w.after', shape: [1, 7, 5], batchAxis: 0 }]);
  expect(manifest.inputs.at(-1)).toEqual({
    name: 'w.before',
    datatype: 'FP32',
    shape: [-1, 7, 5],
    from: 'state',
  });
  expect(manifest.sha256).toMatch(/^[0-9a-f]{64}$/);
});

describe('what does not fit is told with node and key', () => {
  const parts = { inputs: [input([-1, 4])], outputs: [output('n', [-1, 4])] };
  const scale = (more: object = {}) => ({ name: 'n', transform: 'scale', inputs: 'x', ...more });
  const textOf = (rest: object): string => {
    try {
      parseManifest(graphManifest({ ...parts, ...rest }), 'model.yaml');
    } catch (error) {
      return (error as Error).message;
    }
    return 'valid';
  };
  test.each([
    [
      { graph: [scale({ inputs: 'y' })] },
      'graph[0].inputs: "y" is neither an input nor a node before; there are x',
    ],
    [{ graph: [scale({ inputs: 'n' })] }, 'which comes later or is this node'],
    [{ graph: [scale(), scale()] }, 'graph[1].name: "n" is there twice'],
    [{ graph: [scale(), { name: 'm', transform: 'abs', inputs: 'n' }] }, 'graph[1].name: nothing uses "m"'],
    [{ graph: [scale({ factr: 2 })] }, 'graph[0]: Unrecognized key: "factr"'],
    [{ graph: [scale({ transform: 'scael' })] }, 'graph[0].transform'],
    [{ graph: [scale({ factor: 'two' })] }, 'graph[0].factor'],
    [
      { graph: [{ name: 'n', transform: 'concat', axis: 0, inputs: 'x' }] },
      'graph[0].inputs: concat takes 2 to 64 inputs, found 1',
    ],
    [
      {
        graph: [{ name: 'n', transform: 'split', axis: 0, sizes: [1], inputs: 'x' }],
        outputs: [output('n.1', [1])],
      },
      'outputs[0].name: "n" has no output "1", only 0',
    ],
    [
      { graph: [{ name: 'n', model: 'a.onnx', sha256: SHA, inputs: { input: 'z' } }] },
      'graph[0].inputs.input: "z" is neither',
    ],
    [
      { graph: [{ name: 'n', model: '../a.onnx', sha256: SHA, inputs: { input: 'x' } }] },
      'graph[0].model: a file name inside the bundle folder',
    ],
    [
      { graph: [scale()], inputs: [input([-1, 4]), input([1], { name: 'unused', from: 'request' })] },
      'inputs[1].name: no node of the graph uses "unused"',
    ],
    [{ graph: undefined }, 'graph: runtime graph needs this key'],
    [{ graph: [scale()], file: 'model.onnx' }, 'file: runtime graph has no model file of its own'],
    [{ runtime: 'onnx', graph: [scale()] }, 'graph: goes with runtime: graph only'],
  ])('%j', (rest, message) => {
    expect(textOf(rest)).toContain(message);
  });

  const loading = async (graph: object[], more: object = {}): Promise<string> =>
    openGraph({ ...parts, graph, ...more }, folder).then(
      () => 'loaded',
      (error: Error) => error.message,
    );
  test.each<[object[], string]>([
    [[scale({ factor: [1, 2, 3] })], 'graph node "n": factor: 3 numbers for axis -1, which has 4 places'],
    [[{ name: 'n', transform: 'reshape', shape: [-1, 4, 4], inputs: 'x' }], 'loaded'],
    [
      [{ name: 'n', transform: 'transpose', order: [0], inputs: 'x' }],
      'graph node "n": order: 1 axes for 2 dimensions',
    ],
    [
      [{ name: 'n', transform: 'softmax', axis: 2, inputs: 'x' }],
      'graph node "n": axis: there is no axis 2 among 2 dimensions',
    ],
    [
      [{ name: 'n', transform: 'argmax', labels: ['a'], inputs: 'x' }],
      'graph node "n": labels: 1 labels for 4 values',
    ],
    [[{ name: 'n', transform: 'window', rows: 2, of: [3], inputs: 'x' }], 'graph node "n": of:'],
    [
      [{ name: 'n', model: 'two.onnx', sha256: SHA, inputs: { inptu: 'x' } }],
      'graph node "n": inputs.inptu: the model file has only input',
    ],
    [
      [{ name: 'half', transform: 'slice', axis: 1, end: 2, inputs: 'x' }, net('n', 'half')],
      'graph node "n": inputs.input: the model file wants FP32 [-1, 4], it gets FP32 [-1, 2]',
    ],
    [
      [{ name: 'bits', transform: 'cast', datatype: 'INT8', inputs: 'x' }, net('n', 'bits')],
      'it gets INT8 [-1, 4]',
    ],
    [[net('n', 'x', 'none.onnx')], 'graph node "n":'],
  ])('%j', async (graph, message) => {
    expect(await loading(graph)).toContain(message);
  });

  test('an output that a model does not have', async () => {
    const wrong = { outputs: [output('n.logits', [-1, 3])] };
    expect(await loading([net('n', 'x')], wrong)).toContain(
      'outputs[0].name: "n" has no output "logits", only output',
    );
  });
});

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { GatewayError } from '../../gateway/errors.ts';
import { parseManifest, readBundle } from '../../gateway/inference/bundle.ts';
import { planOf } from '../../gateway/inference/plan.ts';
import { CARD } from './bundles.ts';

const base = {
  name: 'room',
  version: '1',
  runtime: 'onnx',
  file: 'model.onnx',
  sha256: 'a'.repeat(64),
  features: ['temperature', 'humidity'],
  rows: 4,
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 4, 2], from: 'window' },
    { name: 'h', datatype: 'FP32', shape: [1, -1, 8], from: 'state' },
    { name: 'k', datatype: 'INT64', shape: [2], from: 'constant' },
  ],
  outputs: [
    { name: 'p', datatype: 'FP32', shape: [-1, 3], as: 'probabilities' },
    { name: 'hn', datatype: 'FP32', shape: [1, -1, 8] },
  ],
  constants: [{ name: 'k', datatype: 'INT64', shape: [2], data: [1, '9007199254740993'] }],
  state: [{ input: 'h', output: 'hn', shape: [1, 1, 8], batchAxis: 1 }],
  preprocess: [
    { step: 'context', rows: 2 },
    { step: 'standardize', mean: [20, 40], std: [5, 10] },
  ],
  postprocess: [{ output: 'probabilities', step: 'argmax', labels: ['a', 'b', 'c'], as: 'label' }],
  card: CARD,
};

const issuesOf = (manifest: unknown): string => {
  try {
    parseManifest(stringify(manifest), 'model.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).toBe('MODEL_MANIFEST');
    return (error as GatewayError).message;
  }
  return '';
};

test('a valid manifest becomes a plan with its state slots and results in order', () => {
  const manifest = parseManifest(stringify(base), 'model.yaml');
  const limits = { maxBatch: 128, maxDelay: 0, maxRun: 10_000, maxTensorBytes: 64 * 1024 * 1024 };
  expect(manifest.limits).toEqual(limits);
  expect(manifest.priceClass).toBe('standard');
  const plan = planOf({ folder: '/b', manifest, modelFile: '/b/model.onnx' });
  expect(plan).toMatchObject({ wire: 'FP64', columns: 2, batched: true });
  expect(plan.slots.map(({ name, size }) => [name, size])).toEqual([
    ['context:0', 4],
    ['h', 8],
  ]);
  expect(plan.results.map(({ name, kind }) => [name, kind])).toEqual([
    ['probabilities', 'numbers'],
    ['label', 'label'],
  ]);
});

test('a version written as a number is taken as text', () => {
  expect(parseManifest(stringify({ ...base, version: 2 }), 'model.yaml').version).toBe('2');
});

const [x, h, k] = base.inputs;
const wrong: [string, object, string][] = [
  ['unknown key', { sha: 1 }, 'sha'],
  ['path in file', { file: '../model.onnx' }, 'file: a file name inside the bundle folder'],
  ['absolute file', { file: '/etc/passwd' }, 'file: '],
  ['short hash', { sha256: 'abc' }, 'sha256: 64 lower-case hexadecimal digits'],
  [
    'no window',
    { inputs: [h, k] },
    'inputs: expected one input with from: window, or inputs with from: request, found 0 and 0',
  ],
  ['state without pair', { state: [] }, 'inputs[1].from: no entry of state has input: "h"'],
  ['constant without values', { constants: [] }, 'inputs[2].from: no entry of constants is named "k"'],
  [
    'too few values',
    { constants: [{ ...base.constants[0], data: [1] }] },
    'constants[0].data: expected 2 values for its shape, found 1',
  ],
  [
    'wrong kind of value',
    { constants: [{ ...base.constants[0], data: [1, true] }] },
    'constants[0].data[1]: expected a number, found boolean',
  ],
  [
    'batch axis',
    { state: [{ ...base.state[0], shape: [1, 2, 4] }] },
    'state[0].shape: expected 1 at batchAxis 1, found 2',
  ],
  [
    'state output',
    { state: [{ ...base.state[0], output: 'q' }] },
    'state[0].output: "q" is not one of the outputs',
  ],
  ['state datatype', { inputs: [x, { ...h, datatype: 'FP16' }, k] }, 'state[0].input: state must be FP32'],
  [
    'columns of a step',
    { preprocess: [{ step: 'standardize', mean: [1, 2, 3], std: [1] }] },
    'preprocess[0].mean: expected 1 or 2 numbers (one per feature), found 3',
  ],
  [
    'zero deviation',
    { preprocess: [{ step: 'standardize', mean: [1], std: [0] }] },
    'preprocess[0].std[0]: expected more than 0, found 0',
  ],
  [
    'transpose first',
    { preprocess: [{ step: 'transpose' }, { step: 'zscore' }] },
    'preprocess[0]: transpose must be the last step',
  ],
  ['unknown step', { preprocess: [{ step: 'fft' }] }, 'preprocess[0].step: '],
  [
    'unknown result',
    { postprocess: [{ output: 'q', step: 'softmax' }] },
    'postprocess[0].output: "q" is not a result made before this step',
  ],
  [
    'nothing to show',
    { outputs: [base.outputs[1]], postprocess: [] },
    'outputs: at least one output needs `as`',
  ],
  ['twice the same feature', { features: ['a', 'a'] }, 'features[1]: "a" is there twice'],
  ['no card', { card: undefined }, 'card: '],
  [
    'twice the same result',
    { outputs: [base.outputs[0], { ...base.outputs[1], as: 'probabilities' }] },
    'outputs[1].as',
  ],
];
test.each(wrong)('%s names its key', (_, change, message) => {
  const text = issuesOf({ ...base, ...change });
  expect(text).toContain('model.yaml: ');
  expect(text).toContain(message);
});

test('text that is no YAML names line and column; bombs and other documents are refused', () => {
  const code = (text: string): string => {
    try {
      parseManifest(text, 'm.yaml');
      return 'valid';
    } catch (error) {
      return (error as GatewayError).message;
    }
  };
  expect(code('name: x\nversion: [')).toContain('m.yaml:2:');
  expect(code('name: a\nname: b')).toContain('m.yaml:2:1');
  expect(code('')).toContain('m.yaml: (document): ');
  expect(code('[]')).toContain('m.yaml: (document): ');
  const bomb = ['a0: &a0 [1]'];
  for (let i = 1; i < 12; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  expect(code(bomb.join('\n'))).toContain('alias');
});

test('the bundles of this repository are valid', () => {
  const models = join(import.meta.dirname, '../../models');
  const folders = readdirSync(models, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(models, entry.name)).includes('model.yaml'))
    .map((entry) => entry.name);
  for (const folder of folders) {
    const { name, version } = readBundle(join(models, folder)).manifest;
    expect([name, `${name}-${version}`]).toContain(folder);
  }
});

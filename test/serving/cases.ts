import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { readTensor } from '../support/onnx.ts';

/** One case of the ONNX backend tests: a model of one operator, inputs, and what must come out. */
export interface OnnxCase {
  readonly name: string;
  readonly model: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** The cases below a folder, by name. */
export function onnxCases(folder: string): OnnxCase[] {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const data = join(folder, name, 'test_data_set_0');
      return {
        name: bundleName(name),
        model: join(folder, name, 'model.onnx'),
        inputs: tensors(data, 'input'),
        outputs: tensors(data, 'output'),
      };
    });
}

/** Names of bundles have at most 64 lower-case characters. */
const bundleName = (folder: string): string =>
  folder
    .toLowerCase()
    .slice(-60)
    .replace(/^[_-]+/, '');

function tensors(folder: string, kind: 'input' | 'output'): Record<string, Tensor> {
  const found: Record<string, Tensor> = {};
  for (let i = 0; existsSync(join(folder, `${kind}_${i}.pb`)); i++) {
    const { name, tensor } = readTensor(readFileSync(join(folder, `${kind}_${i}.pb`)));
    found[name] = tensor;
  }
  return found;
}

/** What a manifest says about a model that takes and gives these. */
export const manifestOf = ({ inputs, outputs }: Pick<OnnxCase, 'inputs' | 'outputs'>) => ({
  inputs: Object.entries(inputs).map(([name, { datatype, shape }]) => ({
    ...{ name, datatype, shape, from: 'request' },
  })),
  outputs: Object.entries(outputs).map(([name, { datatype, shape }]) => ({ name, datatype, shape })),
  // The first dimension need not be a batch.
  limits: { maxBatch: 1, deadline: '60s' },
});

/** Null when `actual` is what was expected, within the tolerance of the ONNX backend tests; else where it is not. */
export function difference(actual: Tensor | undefined, expected: Tensor, relative = 1e-3): string | null {
  if (!actual) return 'missing';
  if (actual.datatype !== expected.datatype) return `${actual.datatype}, expected ${expected.datatype}`;
  if (actual.shape.join() !== expected.shape.join()) return `[${actual.shape}], expected [${expected.shape}]`;
  const [a, b] = [numbersOf(actual), numbersOf(expected)];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (typeof x === 'number' && typeof y === 'number') {
      if (Object.is(x, y) || Math.abs(x - y) <= 1e-7 + relative * Math.abs(y)) continue;
    } else if (x === y) continue;
    return `element ${i} is ${x}, expected ${y}`;
  }
  return a.length === b.length ? null : `${a.length} elements, expected ${b.length}`;
}

function numbersOf({ datatype, data }: Tensor): readonly (number | bigint | string)[] {
  if (Array.isArray(data))
    return (data as Uint8Array[]).map((element) => Buffer.from(element).toString('hex'));
  if (datatype !== 'FP16') return Array.from(data as ArrayLike<number | bigint>);
  const half = data as Uint16Array;
  return Array.from(new Float16Array(half.buffer as ArrayBuffer, half.byteOffset, half.length));
}

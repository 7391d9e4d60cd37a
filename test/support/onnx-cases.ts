import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fromHalf } from '../../gateway/inference/host/cast.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { readTensor } from './onnx.ts';

const RTOL = 1e-3;
const ATOL = 1e-7;

/** Tensors of `input_0.pb`, `input_1.pb`, … by the names they carry, else by place. */
export function namedTensors(
  folder: string,
  kind: 'input' | 'output',
  names: readonly string[],
): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  const files = readdirSync(folder);
  for (let i = 0; i < names.length; i++) {
    const file = `${kind}_${i}.pb`;
    if (!files.includes(file)) continue;
    const { name, tensor } = readTensor(readFileSync(join(folder, file)));
    tensors[names.includes(name) ? name : names[i]!] = tensor;
  }
  return tensors;
}

/** Fails unless a tensor has the datatype, shape and, within the backend tests' tolerance, the values expected. */
export function expectClose(found: Tensor | undefined, expected: Tensor, name: string): void {
  expect(found, name).toBeDefined();
  expect(found!.datatype, name).toBe(expected.datatype);
  expect([...found!.shape], name).toEqual([...expected.shape]);
  expect(found!.data.length, name).toBe(expected.data.length);
  for (let i = 0; i < expected.data.length; i++) {
    const want = expected.data[i]!;
    const have = found!.data[i]!;
    if (typeof want !== 'number') {
      expect(have, `${name}[${i}]`).toEqual(want);
      continue;
    }
    const [a, b] =
      expected.datatype === 'FP16' ? [fromHalf(have as number), fromHalf(want)] : [have as number, want];
    const close = Object.is(a, b) || a === b || Math.abs(a - b) <= ATOL + RTOL * Math.abs(b);
    if (!close) expect.fail(`${name}[${i}]: expected ${b}, found ${a}`);
  }
}

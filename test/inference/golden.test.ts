import { expect, test } from 'vitest';
import { compareOutputs, parseGolden } from '../../gateway/inference/golden.ts';
import { compareVersions } from '../../gateway/inference/registry.ts';

const parse = (value: unknown) => parseGolden(JSON.stringify(value), 'golden/a.json');

test('a sample of one window, of one column, and of several steps', () => {
  const one = parse({
    inputs: {
      window: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    },
    outputs: { score: 1 },
    tolerance: 0.1,
  });
  expect(one.steps).toHaveLength(1);
  expect(one.steps[0]).toMatchObject({ rows: 3, columns: 2, outputs: { score: 1 } });
  expect(one.tolerance).toEqual({ absolute: 0.1, relative: 0 });
  expect(parse({ inputs: { window: [1, 2] }, outputs: {} }).steps[0]).toMatchObject({ rows: 2, columns: 1 });
  const step = { inputs: { window: [1] }, outputs: { p: 0.5 } };
  expect(parse({ steps: [step, step] }).steps).toHaveLength(2);
});

test('what is wrong in a sample is named', () => {
  expect(() => parse({ inputs: { window: [[1, 2], [3]] }, outputs: {} })).toThrow('row 1 has not 2 columns');
  expect(() => parse({ inputs: { window: [] }, outputs: {} })).toThrow('golden/a.json: ');
  expect(() => parse({ inputs: {}, outputs: {} })).toThrow('golden/a.json: ');
  expect(() => parseGolden('{', 'golden/a.json')).toThrow('golden/a.json: ');
});

test('outputs are compared within the tolerance', () => {
  const allowed = { absolute: 0.1, relative: 0.01 };
  const compare = (found: number | string | number[], expected: number | string | number[]) =>
    compareOutputs({ x: found }, { x: expected }, allowed);
  expect(compare(1.1, 1)).toBeNull();
  expect(compare(102, 101)).toBeNull();
  expect(compare(1.2, 1)).toContain('x: expected 1 ±');
  expect(compare(Number.NaN, 1)).toContain('found NaN');
  expect(compare([1, 2], [1, 3])).toContain('x[1]: expected 3');
  expect(compare([1], [1, 2])).toBe('x: expected 2 numbers, found [1]');
  expect(compare('good', 'bad')).toBe('x: expected bad, found "good"');
  expect(compareOutputs({}, { y: 1 }, allowed)).toBe('there is no output "y"');
});

test('versions are ordered by value', () => {
  const sorted = ['10', '2', '1.10', '1.9', '1.9.0-beta', '1.9.0-beta.2', '1'].sort(compareVersions);
  expect(sorted).toEqual(['1', '1.9.0-beta', '1.9.0-beta.2', '1.9', '1.10', '2', '10']);
});

import { expect, it } from 'vitest';
import { trimHeap } from '../../gateway/system/trim-heap.ts';

it('gives back what is no longer used, and leaves the collector out of reach', () => {
  let garbage: number[][] | undefined = Array.from({ length: 60 }, (_, i) =>
    new Array<number>(131_072).fill(i + 0.5),
  );
  expect(garbage.length).toBe(60);
  const before = process.memoryUsage().heapTotal;
  garbage = undefined;
  trimHeap();
  expect(before - process.memoryUsage().heapTotal).toBeGreaterThan(30 * 1024 * 1024);
  expect('gc' in globalThis).toBe(false);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Columns } from '../../gateway/stream/columns.ts';
import { SampleWindower } from '../../gateway/stream/sample-window.ts';
import type { ClosedWindow } from '../../gateway/stream/window.ts';
import { LIMITS, Rows, reading } from './support.ts';

const SEED = 20261122;

function windower(samples: number, every: number, names: readonly string[] = [], limits = LIMITS) {
  const seen: ClosedWindow[] = [];
  const sink = (window: ClosedWindow): void => void seen.push(window);
  return {
    windower: new SampleWindower({ samples, every, columns: new Columns(names), limits, sink }),
    seen,
  };
}

test(`chunks of any length, with a restart anywhere, give the windows of the whole signal (seed ${SEED})`, () => {
  const small = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      small,
      small,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 }),
      fc.nat(12),
      (samples, every, chunks, restart) => {
        const rows = new Rows();
        let { windower: w, seen } = windower(samples, every);
        const all: ClosedWindow[] = [];
        let at = 0;
        for (const [i, length] of chunks.entries()) {
          if (i === restart) {
            const next = windower(samples, every);
            rows.carryOver(w, next.windower);
            all.push(...seen);
            ({ windower: w, seen } = next);
          }
          const chunk = Float64Array.from({ length }, (_, k) => at + k);
          at += length;
          w.feed('d', reading('d', i, length === 1 ? chunk[0]! : chunk));
        }
        all.push(...seen);
        const wanted: number[][] = [];
        for (let end = samples; end <= at; end += every)
          wanted.push(Array.from({ length: samples }, (_, k) => end - samples + k));
        expect(all.map(({ values }) => [...values])).toEqual(wanted);
        expect(all.map(({ ordinal }) => ordinal)).toEqual(wanted.map((_, i) => samples + i * every));
        expect(all.every((window) => window.rows === samples)).toBe(true);
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

test('several columns, several devices, and readings that are none', () => {
  const { windower: w, seen } = windower(2, 1, ['x', 'y']);
  const value = (x: number[], y: number) => ({ fields: ['x', 'y'], values: [Float64Array.from(x), y] });
  w.feed('a', { ...reading('a', 1, 0), value: value([1, 2, 3], 7) });
  w.feed('b', { ...reading('b', 1, 0), value: value([9], 8) });
  w.feed('a', reading('a', 2, 'text'));
  expect(seen.map(({ key, values }) => [key, ...values])).toEqual([
    ['a', 1, 7, 2, 7],
    ['a', 2, 7, 3, 7],
  ]);
  expect(w.counters.unusable).toBe(1);
  expect(w.keys).toBe(2);
});

test('what one key holds is bounded', () => {
  const { windower: w, seen } = windower(50, 50, [], { ...LIMITS, maxValues: 60 });
  w.feed('d', reading('d', 1, new Float32Array(40)));
  w.feed('d', reading('d', 2, new Float32Array(40)));
  w.feed('d', reading('d', 3, new Float32Array(10)));
  expect([w.counters.overflow, seen.length]).toEqual([1, 1]);
});

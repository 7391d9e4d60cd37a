import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Columns } from '../../gateway/stream/columns.ts';
import { CountWindower } from '../../gateway/stream/count-window.ts';
import { collector, LIMITS, Rows, reading } from './support.ts';

function windower(count: number, every = count, names: readonly string[] = [], limits = LIMITS) {
  const { seen, sink } = collector();
  const made = new CountWindower({
    count,
    every,
    columns: new Columns(names),
    limits,
    ordinal: (r) => r.deviceSeq,
    sink,
  });
  return { windower: made, seen };
}

test('slides by `every`', () => {
  const { windower: w, seen } = windower(3, 2);
  for (let i = 1; i <= 7; i++) w.feed('d', reading('d', i, i));
  expect(seen.map((s) => s.values)).toEqual([
    [1, 2, 3],
    [3, 4, 5],
    [5, 6, 7],
  ]);
  expect(seen.map((s) => s.time)).toEqual([3, 5, 7]);
});

test('a window of one frame has a row for each sample, and several frames follow each other', () => {
  const { windower: one, seen: frames } = windower(1);
  one.feed('d', reading('d', 1, Float32Array.of(1, 2, 3, 4)));
  expect(frames).toEqual([{ key: 'd', time: 1, values: [1, 2, 3, 4], rows: 4 }]);
  const { windower: two, seen } = windower(2, 1);
  for (const frame of [[1, 2], [3], [4, 5, 6]]) two.feed('d', reading('d', 1, Int16Array.from(frame)));
  expect(seen.map((s) => s.values)).toEqual([
    [1, 2, 3],
    [3, 4, 5, 6],
  ]);
});

test('columns go row by row; a scalar holds for every sample of an array', () => {
  const { windower: w, seen } = windower(1, 1, ['x', 'gain', 'on']);
  const value = { fields: ['on', 'x', 'gain'], values: [true, Float64Array.of(1, 2), 7] };
  w.feed('d', { ...reading('d', 1, 0), value });
  expect(seen[0]).toMatchObject({ values: [1, 7, 1, 2, 7, 1], rows: 2 });
});

test('a reading without its numbers is counted and takes no part', () => {
  const { windower: w, seen } = windower(2);
  for (const value of [1, null, 'text', Number.NaN, new Float32Array(0), 2])
    w.feed('d', reading('d', 1, value));
  expect(seen.map((s) => s.values)).toEqual([[1, 2]]);
  expect(w.counters.unusable).toBe(4);
});

test('keys beyond the limit are counted', () => {
  const { windower: w } = windower(2, 2, [], { ...LIMITS, maxKeys: 2 });
  for (const key of ['a', 'b', 'c', 'c']) w.feed(key, reading(key, 1, 1));
  expect(w.keys).toBe(2);
  expect(w.counters.overflow).toBe(2);
});

test('equals slices of the series, also over restarts at any place', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 60 }),
      fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
      (count, every, length, restarts) => {
        const rows = new Rows();
        const seen: number[][] = [];
        let { windower: w, seen: part } = windower(count, every);
        for (let i = 0; i < length; i++) {
          if (restarts.includes(i)) {
            const next = windower(count, every);
            rows.carryOver(w, next.windower);
            seen.push(...part.map((s) => [...s.values]));
            w = next.windower;
            part = next.seen;
          }
          w.feed('d', reading('d', i, i));
        }
        seen.push(...part.map((s) => [...s.values]));
        const expected: number[][] = [];
        for (let end = count; end <= length; end += every) {
          expected.push(Array.from({ length: count }, (_, i) => end - count + i));
        }
        expect(seen).toEqual(expected);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});

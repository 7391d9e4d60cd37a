import { expect, test } from 'vitest';
import type { FieldValue } from '../../gateway/ports/reading.ts';
import { fieldIndex } from '../../gateway/stream/columns.ts';
import { Joiner, type JoinOptions } from '../../gateway/stream/join.ts';
import { resample } from '../../gateway/stream/resample.ts';
import type { Reading } from '../../gateway/stream/window.ts';
import { Rows, reading } from './support.ts';

function joiner(options: Partial<JoinOptions> = {}) {
  const seen: { time: number; arrival: number; values: readonly FieldValue[] }[] = [];
  const made = new Joiner({
    streams: ['a', 'b'],
    within: 10,
    on: 'device',
    mode: 'nearest',
    maxKeys: 10,
    sink: ({ time, arrival, value }: Reading) => seen.push({ time, arrival, values: value.values }),
    ...options,
  });
  return { joiner: made, seen };
}

test('nearest: waits until the other stream has come as far, and takes the nearest', () => {
  const { joiner: j, seen } = joiner();
  j.feed(1, reading('d', 95, 1, 100));
  j.feed(0, reading('d', 100, 10, 101));
  expect(seen).toEqual([]);
  j.feed(1, reading('d', 102, 2, 103));
  expect(seen).toEqual([{ time: 100, arrival: 101, values: [10, 2] }]);
});

test('nearest: decides with what is there when nothing more came within reach', () => {
  const { joiner: j, seen } = joiner();
  j.feed(1, reading('d', 95, 1, 100));
  j.feed(0, reading('d', 100, 10, 101));
  expect(j.nextDeadline()).toBe(111);
  j.advance(110);
  expect(seen).toEqual([]);
  j.advance(111);
  expect(seen).toEqual([{ time: 100, arrival: 101, values: [10, 1] }]);
  j.feed(0, reading('d', 200, 11, 200));
  j.advance(300);
  expect(j.counters).toMatchObject({ joined: 1, unmatched: 1 });
});

test('nearest: the next reading of any stream decides what the clock would have', () => {
  const byClock = joiner();
  const byReading = joiner();
  for (const { joiner: j } of [byClock, byReading]) {
    j.feed(1, reading('d', 95, 1, 100));
    j.feed(0, reading('d', 100, 10, 101));
  }
  byClock.joiner.advance(111);
  byReading.joiner.feed(1, reading('other', 0, 0, 150));
  expect(byReading.seen).toEqual(byClock.seen);
});

test('last: each leading reading at once with the newest of the others', () => {
  const { joiner: j, seen } = joiner({ mode: 'last', streams: ['a', 'b', 'c'], on: 'none' });
  j.feed(0, reading('x', 1, 1));
  j.feed(1, reading('y', 5, 50));
  j.feed(2, reading('z', 6, 60));
  j.feed(1, reading('y', 4, 40));
  j.feed(0, reading('x', 9, 2));
  j.feed(0, reading('x', 16, 3));
  expect(seen.map((s) => s.values)).toEqual([[2, 50, 60]]);
  expect(j.counters.unmatched).toBe(2);
});

test('devices are kept apart, and what waits is bounded', () => {
  const { joiner: j, seen } = joiner();
  j.feed(1, reading('e', 100, 1, 100));
  for (let i = 0; i < 400; i++) j.feed(0, reading('d', 100, i, 100));
  expect(seen).toEqual([]);
  expect(j.counters.unmatched).toBe(144);
});

test('what waits survives a restart', () => {
  const before = joiner();
  before.joiner.feed(1, reading('d', 95, Float32Array.of(1, 2), 100));
  before.joiner.feed(0, reading('d', 100, 'text', 101));
  const after = joiner();
  new Rows().carryOver(before.joiner, after.joiner);
  after.joiner.advance(111);
  expect(after.seen[0]!.values).toEqual(['text', Float32Array.of(1, 2)]);
});

test('columns of joined readings by field, by stream, or in full', () => {
  const fields = ['temperature.value', 'air.humidity', 'air.co2', 'wall.co2'];
  expect(['humidity', 'temperature', 'air.co2', 'wall'].map((name) => fieldIndex(name, fields))).toEqual([
    1, 0, 2, 3,
  ]);
  expect(['co2', 'air', 'nothing'].map((name) => fieldIndex(name, fields))).toEqual([-1, -1, -1]);
});

test('resampling keeps the ends and interpolates between', () => {
  const values = Float64Array.of(0, 10, 2, 30, 4, 50);
  expect([...resample(values, 3, 2, 5)]).toEqual([0, 10, 1, 20, 2, 30, 3, 40, 4, 50]);
  expect([...resample(values, 3, 2, 2)]).toEqual([0, 10, 4, 50]);
  expect([...resample(Float64Array.of(7), 1, 1, 3)]).toEqual([7, 7, 7]);
});

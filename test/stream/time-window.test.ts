import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Columns } from '../../gateway/stream/columns.ts';
import { TimeWindower, type TimeWindowOptions } from '../../gateway/stream/time-window.ts';
import type { Reading } from '../../gateway/stream/window.ts';
import { collector, LIMITS, Rows, reading, type SeenWindow } from './support.ts';

function windower(options: Partial<TimeWindowOptions>) {
  const { seen, sink } = collector();
  const length = options.length ?? 10;
  const made = new TimeWindower({
    length,
    every: length,
    by: 'event',
    lateness: 0,
    columns: new Columns([]),
    limits: LIMITS,
    sink,
    ...options,
  });
  return { windower: made, seen };
}

test('tumbling by event time: the watermark closes, empty windows do not exist', () => {
  const { windower: w, seen } = windower({ lateness: 5 });
  for (const time of [1, 3, 12, 2, 14, 16, 45, 60]) w.feed('d', reading('d', time, time, 100));
  expect(seen).toEqual([
    { key: 'd', time: 10, values: [1, 2, 3], rows: 3 },
    { key: 'd', time: 20, values: [12, 14, 16], rows: 3 },
    { key: 'd', time: 50, values: [45], rows: 1 },
  ]);
});

test('a reading whose windows are all closed is counted as late', () => {
  const { windower: w, seen } = windower({ length: 10, every: 5 });
  for (const time of [1, 6, 12, 4, 7]) w.feed('d', reading('d', time, time, 100));
  w.advance(200, 10);
  expect(w.counters.late).toBe(1);
  expect(seen.map((s) => [s.time, ...s.values])).toEqual([
    [5, 1],
    [10, 1, 6],
    [15, 6, 7, 12],
    [20, 12],
  ]);
});

test('a quiet device: its windows close after length and lateness without an arrival', () => {
  const { windower: w, seen } = windower({ lateness: 5 });
  w.feed('d', reading('d', 1, 1, 1000));
  expect(w.nextDeadline()).toBe(1015);
  expect(w.advance(1014, 10)).toBe(0);
  expect(w.advance(1015, 10)).toBe(1);
  expect(seen.map((s) => s.values)).toEqual([[1]]);
  w.feed('d', reading('d', 3, 3, 1020));
  expect(w.counters.late).toBe(1);
});

test('time in which the gateway was away is not silence', () => {
  const { windower: w, seen } = windower({});
  w.feed('d', reading('d', 1, 1, 1000));
  w.downtime.add(1501, 500);
  w.feed('d', reading('d', 2, 2, 1505));
  expect(seen).toEqual([]);
  w.feed('d', reading('d', 3, 3, 1515));
  expect(seen.map((s) => s.values)).toEqual([[1, 2]]);
});

test('by arrival: a window closes when its end has come', () => {
  const { windower: w, seen } = windower({ by: 'arrival' });
  w.feed('d', reading('d', 0, 5, 1003));
  w.feed('e', reading('e', 0, 6, 1004));
  expect(w.nextDeadline()).toBe(1010);
  expect(w.advance(1010, 1)).toBe(1);
  expect(w.advance(1010, 1)).toBe(1);
  expect(seen.map((s) => [s.key, s.time])).toEqual([
    ['d', 1010],
    ['e', 1010],
  ]);
});

test('what one key may hold is bounded', () => {
  const { windower: w, seen } = windower({ length: 1000, limits: { ...LIMITS, maxReadings: 3 } });
  for (let i = 0; i < 5; i++) w.feed('d', reading('d', i, i, 0));
  w.advance(5000, 10);
  expect(seen[0]!.values).toEqual([2, 3, 4]);
  expect(w.counters.overflow).toBe(2);
});

const readings = fc.array(
  fc.record({
    device: fc.constantFrom('a', 'b'),
    gap: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 8 }) }, fc.integer({ min: 0, max: 90 })),
    back: fc.integer({ min: 0, max: 30 }),
    tick: fc.boolean(),
    restart: fc.boolean(),
  }),
  { maxLength: 80 },
);

const settings = fc.record({
  length: fc.integer({ min: 1, max: 25 }),
  every: fc.integer({ min: 1, max: 30 }),
  lateness: fc.integer({ min: 0, max: 20 }),
  by: fc.constantFrom('event' as const, 'arrival' as const),
});

test('looking at the clock and restarts change neither content nor identity', () => {
  fc.assert(
    fc.property(settings, readings, (options, steps) => {
      let arrival = 1000;
      const list: { reading: Reading; tick: boolean; restart: boolean }[] = [];
      for (const { device, gap, back, tick, restart } of steps) {
        arrival += gap;
        list.push({ reading: reading(device, arrival - back, list.length, arrival), tick, restart });
      }
      const plain = windower(options);
      for (const step of list) plain.windower.feed(step.reading.device, step.reading);
      plain.windower.advance(1e6, 100);

      let w = windower(options);
      const rows = new Rows();
      const seen: SeenWindow[] = [];
      for (const step of list) {
        if (step.tick) while (w.windower.advance(step.reading.arrival, 1) > 0);
        if (step.restart) {
          const next = windower(options);
          rows.carryOver(w.windower, next.windower);
          seen.push(...w.seen);
          w = next;
        }
        w.windower.feed(step.reading.device, step.reading);
      }
      w.windower.advance(1e6, 100);
      seen.push(...w.seen);
      expect(byIdentity(seen)).toEqual(byIdentity(plain.seen));
    }),
    { seed: 21, numRuns: 400 },
  );
});

test('holds exactly the readings of its span that were not late', () => {
  fc.assert(
    fc.property(settings, readings, (options, steps) => {
      const { windower: w, seen } = windower({ ...options, by: 'event' });
      const kept: Reading[] = [];
      let arrival = 1000;
      for (const { gap, back } of steps) {
        arrival += gap;
        const late = w.counters.late;
        const r = reading('d', arrival - back, kept.length, arrival);
        w.feed('d', r);
        if (w.counters.late === late) kept.push(r);
      }
      w.advance(1e6, 100);
      const identities = new Set(seen.map((s) => s.time));
      expect(identities.size).toBe(seen.length);
      for (const { time: end, values } of seen) {
        const start = end - options.length;
        const inside = kept.filter((r) => r.time >= start && r.time < end).sort((a, b) => a.time - b.time);
        for (const value of values) expect(inside.map((r) => r.value.values[0])).toContain(value);
      }
      const covered = new Set(seen.flatMap((s) => s.values));
      const spanned = kept.filter(
        ({ time }) => time < Math.floor(time / options.every) * options.every + options.length,
      );
      for (const r of spanned) expect(covered).toContain(r.value.values[0]);
    }),
    { seed: 22, numRuns: 300 },
  );
});

function byIdentity(seen: readonly SeenWindow[]): SeenWindow[] {
  return [...seen].sort((a, b) => (a.key === b.key ? a.time - b.time : a.key < b.key ? -1 : 1));
}

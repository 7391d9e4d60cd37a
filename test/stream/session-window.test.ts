import { expect, test } from 'vitest';
import { Columns } from '../../gateway/stream/columns.ts';
import { SessionWindower } from '../../gateway/stream/session-window.ts';
import { collector, LIMITS, Rows, reading } from './support.ts';

function windower(options: { gap?: number; max?: number; by?: 'event' | 'arrival' } = {}) {
  const { seen, sink } = collector();
  const made = new SessionWindower({
    gap: 10,
    max: 100,
    by: 'event',
    columns: new Columns([]),
    limits: LIMITS,
    ordinal: (r) => r.deviceSeq,
    sink,
    ...options,
  });
  return { windower: made, seen };
}

test('a gap ends a session; readings within it may come out of order', () => {
  const { windower: w, seen } = windower();
  for (const time of [100, 105, 102, 114, 124, 130, 150]) w.feed('d', reading('d', time, time, 1000));
  expect(seen.map((s) => s.values)).toEqual([
    [100, 102, 105, 114],
    [124, 130],
  ]);
  expect(seen.map((s) => s.time)).toEqual([114, 130]);
});

test('a reading of a closed session is late', () => {
  const { windower: w, seen } = windower();
  for (const time of [100, 120, 109]) w.feed('d', reading('d', time, time, 1000));
  expect(w.counters.late).toBe(1);
  expect(seen.map((s) => s.values)).toEqual([[100]]);
});

test('the most readings end a session, and the next begins at once', () => {
  const { windower: w, seen } = windower({ max: 2 });
  for (const time of [100, 100, 100, 101]) w.feed('d', reading('d', time, time, 1000));
  expect(seen.map((s) => s.values)).toEqual([
    [100, 100],
    [100, 101],
  ]);
});

test('silence ends a session, seen by the clock or by the next reading alike', () => {
  const byClock = windower();
  byClock.windower.feed('d', reading('d', 100, 1, 1000));
  expect(byClock.windower.nextDeadline()).toBe(1010);
  expect(byClock.windower.advance(1010, 5)).toBe(1);
  const byReading = windower();
  byReading.windower.feed('d', reading('d', 100, 1, 1000));
  byReading.windower.feed('d', reading('d', 101, 2, 1010));
  expect(byReading.seen).toEqual(byClock.seen);
  expect(byReading.windower.counters.late).toBe(1);
});

test('by arrival, over a restart', () => {
  const first = windower({ by: 'arrival' });
  first.windower.feed('d', reading('d', 0, 1, 100));
  const second = windower({ by: 'arrival' });
  new Rows().carryOver(first.windower, second.windower);
  second.windower.feed('d', reading('d', 0, 2, 109));
  second.windower.feed('d', reading('d', 0, 3, 119));
  expect(second.seen).toEqual([{ key: 'd', time: 109, values: [1, 2], rows: 2 }]);
});

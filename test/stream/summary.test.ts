import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateReader, StateWriter } from '../../gateway/stream/binary.ts';
import { QuantileSketch, SKETCH_ERROR } from '../../gateway/stream/sketch.ts';
import { Summary, statistic } from '../../gateway/stream/summary.ts';

const number = fc.double({ min: -1e9, max: 1e9, noNaN: true });

test('a sum that plain addition loses', () => {
  const summary = new Summary(undefined);
  for (const value of [1, 1e100, 1, -1e100]) summary.add(value, 0);
  expect(summary.sum).toBe(2);
  expect(summary.mean).toBe(0.5);
});

test('the spread of close values on a large offset', () => {
  const summary = new Summary(undefined);
  for (const value of [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]) summary.add(value, 0);
  expect(summary.stddev).toBeCloseTo(Math.sqrt(30), 12);
});

test('one value has no spread', () => {
  const summary = new Summary(undefined);
  summary.add(5, 0);
  expect(statistic(summary, 'stddev')).toBeNaN();
});

test('first and last go by time; of equal times the later arrival is last', () => {
  const summary = new Summary(undefined);
  for (const [value, time] of [
    [1, 20],
    [2, 10],
    [3, 30],
    [4, 30],
    [5, 15],
  ] as const) {
    summary.add(value, time);
  }
  expect([summary.first, summary.last]).toEqual([2, 4]);
});

test('quantiles are within the promised error, of any mixture of signs and zeros', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(number, fc.constant(0), fc.double({ min: -1e-9, max: 1e-9, noNaN: true })), {
        minLength: 1,
        maxLength: 300,
      }),
      fc.integer({ min: 0, max: 100 }),
      (values, percent) => {
        const summary = new Summary(new QuantileSketch());
        for (const value of values) summary.add(value, 0);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.floor((percent / 100) * (values.length - 1))]!;
        const error = Math.abs(statistic(summary, `p${percent}`) - exact);
        expect(error).toBeLessThanOrEqual(Math.abs(exact) * SKETCH_ERROR * 1.000001 + 1e-300);
      },
    ),
    { seed: 41, numRuns: 300 },
  );
});

test('a sketch stays small whatever it is given, and keeps its upper quantiles', () => {
  const sketch = new QuantileSketch();
  for (let i = 0; i < 20_000; i++) sketch.add(10 ** (-290 + (i / 20_000) * 580));
  expect(sketch.byteLength).toBeLessThan(42_000);
  const exact = 10 ** (-290 + 0.99 * 580);
  expect(Math.abs(sketch.quantile(0.99) / exact - 1)).toBeLessThan(0.1);
});

test('saved and restored, it goes on as if nothing had happened', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 50 }), fc.array(number, { maxLength: 50 }), (before, after) => {
      const whole = new Summary(new QuantileSketch());
      let parted = new Summary(new QuantileSketch());
      before.forEach((value, i) => {
        whole.add(value, i);
        parted.add(value, i);
      });
      const out = new StateWriter();
      parted.save(out);
      parted = Summary.load(new StateReader(out.finish()));
      after.forEach((value, i) => {
        whole.add(value, i);
        parted.add(value, i);
      });
      for (const name of ['count', 'min', 'max', 'mean', 'stddev', 'sum', 'first', 'last', 'p50', 'p99.9']) {
        expect(statistic(parted, name)).toBe(statistic(whole, name));
      }
    }),
    { seed: 42, numRuns: 200 },
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHalf, fromNumbers, toHalf, toNumbers } from '../../gateway/inference/host/cast.ts';

const SEED = 20260602;

test('FP16 bits: every pattern survives, and rounding is to nearest even', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalf(bits);
    if (Number.isNaN(value)) expect(Number.isNaN(fromHalf(toHalf(value)))).toBe(true);
    else if (toHalf(value) !== bits) expect.fail(`bits ${bits} became ${toHalf(value)}`);
  }
  expect(toHalf(1 + 2 ** -11)).toBe(toHalf(1));
  expect(toHalf(1 + 3 * 2 ** -11)).toBe(toHalf(1 + 2 ** -9));
  expect(toHalf(65519)).toBe(toHalf(65504));
  expect(fromHalf(toHalf(65520))).toBe(Number.POSITIVE_INFINITY);
  expect(toHalf(2 ** -26)).toBe(0);
});

test(`FP16 is the nearest of its neighbours (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), (value) => {
      const bits = toHalf(value);
      const error = Math.abs(fromHalf(bits) - value);
      for (const other of [bits - 1, bits + 1]) {
        const neighbour = fromHalf(other & 0xffff);
        if (Number.isFinite(neighbour)) expect(Math.abs(neighbour - value)).toBeGreaterThanOrEqual(error);
      }
    }),
    { seed: SEED },
  );
});

test('integers are rounded and held within their range', () => {
  const values = Float64Array.of(-1e30, -1.5, 0.5, 200.4, 1e30, Number.NaN);
  expect([...(fromNumbers(values, 'UINT8') as Uint8Array)]).toEqual([0, 0, 1, 200, 255, 0]);
  expect([...(fromNumbers(values, 'INT8') as Int8Array)]).toEqual([-128, -1, 1, 127, 127, 0]);
  expect([...(fromNumbers(values, 'INT64') as BigInt64Array)]).toEqual([
    -(2n ** 63n),
    -1n,
    1n,
    200n,
    2n ** 63n - 1n,
    0n,
  ]);
  expect([...(fromNumbers(values, 'BOOL') as Uint8Array)]).toEqual([1, 1, 1, 1, 1, 1]);
});

test('numbers come back from every datatype', () => {
  const values = Float64Array.of(0, 1, 2, 100);
  for (const datatype of [
    'UINT8',
    'INT8',
    'UINT16',
    'INT16',
    'UINT32',
    'INT32',
    'UINT64',
    'INT64',
    'FP16',
    'FP32',
    'FP64',
  ] as const)
    expect([...toNumbers(fromNumbers(values, datatype), datatype)], datatype).toEqual([...values]);
});

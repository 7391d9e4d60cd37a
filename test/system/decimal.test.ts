import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shortestDecimal } from '../../gateway/system/decimal.ts';

describe('shortestDecimal', () => {
  test('writes a float32 as people do', () => {
    expect(shortestDecimal(Math.fround(0.1))).toBe(0.1);
    expect(shortestDecimal(Math.fround(0.9942883))).toBe(0.9942883);
    expect(shortestDecimal(3)).toBe(3);
    expect(Object.is(shortestDecimal(-0), -0)).toBe(true);
  });

  test('loses no bit', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(float, (value) => Object.is(Math.fround(shortestDecimal(value)), value)),
      { seed: 20, numRuns: 5000 },
    );
  });
});

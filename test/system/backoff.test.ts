import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Backoff, LINK, LOCAL } from '../../gateway/system/backoff.ts';

const take = (backoff: Backoff, count: number): number[] =>
  Array.from({ length: count }, () => backoff.next());

test('the ceiling doubles up to the last, and begins anew after a success', () => {
  const backoff = new Backoff(LOCAL);
  expect(take(backoff, 8)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  backoff.reset();
  expect(take(backoff, 2)).toEqual([100, 200]);
});

test('with full jitter a pause is a uniform part of its ceiling', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(50), (part, tries) => {
      const pause = take(new Backoff(LINK, () => part), tries + 1).at(-1)!;
      expect(pause).toBe(Math.round(part * Math.min(30_000, 250 * 2 ** tries)));
    }),
    { seed: 20260608 },
  );
});

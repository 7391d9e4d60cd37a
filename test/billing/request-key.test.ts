import fc from 'fast-check';
import { expect, test } from 'vitest';
import { requestId, requestKey } from '../../gateway/billing/metering/request-key.ts';

const SEED = 20260608;

test(`a key gives its id back, and no two ids share one (seed ${SEED})`, () => {
  const id = fc
    .array(fc.constantFrom('/', 'a', 'b', '…', '1'), { maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(requestId(requestKey(a))).toBe(a);
      expect(requestKey(a) === requestKey(b)).toBe(a === b);
    }),
    { seed: SEED, numRuns: 2000 },
  );
});

test('the part that grows comes first', () => {
  expect(requestKey('gw/anomaly/pump/1780000000000-17')).toBe('1780000000000-17/gw/anomaly/pump');
});

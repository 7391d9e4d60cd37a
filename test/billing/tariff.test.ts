import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  amountOf,
  DEFAULT_TARIFF,
  parseTariff,
  QUANTITIES,
  type Quantities,
} from '../../gateway/billing/tariff.ts';

const SEED = 20260604;

test('charges 0.0001 AIMX per inference by default', () => {
  expect(amountOf(DEFAULT_TARIFF, { inference: 1, compute_us: 5000 })).toBe(10n ** 14n);
});

test('is the same whatever the order of its keys', () => {
  const one = parseTariff({ version: 1, name: 'x', prices: { token: '5', byte_in: '1' } });
  const two = parseTariff({ prices: { byte_in: '1', token: '5' }, name: 'x', fixed: '0', version: 1 });
  expect(two.hash).toEqual(one.hash);
  expect(two.json).toBe(one.json);
});

test.each([
  [{ version: 2, name: 'x' }, 'version'],
  [{ version: 1, name: 'x', prices: { inference: 1 } }, 'prices.inference'],
  [{ version: 1, name: 'x', prices: { inference: '-1' } }, 'prices.inference'],
  [{ version: 1, name: 'x', prices: { inference: '01' } }, 'prices.inference'],
  [{ version: 1, name: 'x', prices: { inference: '0.5' } }, 'prices.inference'],
  [{ version: 1, name: 'x', prices: { minutes: '1' } }, 'prices'],
  ['nonsense', 'tariff'],
])('refuses %j', (document, where) => {
  expect(() => parseTariff(document)).toThrow(
    expect.objectContaining({ code: 'TARIFF_INVALID', message: expect.stringContaining(where) }),
  );
});

const units = fc.bigInt({ min: 0n, max: 10n ** 24n }).map(String);
const tariffs = fc.record({
  version: fc.constant(1),
  name: fc.string(),
  fixed: units,
  prices: fc.record(Object.fromEntries(QUANTITIES.map((name) => [name, units])), { requiredKeys: [] }),
});
const quantity = fc.integer({ min: 0, max: 2 ** 40 });
const usage = fc.record(Object.fromEntries(QUANTITIES.map((name) => [name, quantity])), { requiredKeys: [] });

test(`what is billed together costs what it costs apart, to the unit (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      tariffs,
      fc.array(usage as fc.Arbitrary<Quantities>, { maxLength: 20 }),
      (document, parts) => {
        const tariff = parseTariff(document);
        const sum: Record<string, number> = {};
        for (const part of parts)
          for (const [name, n] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + (n ?? 0);
        const apart = parts.reduce((total, part) => total + amountOf(tariff, part), 0n);
        expect(amountOf(tariff, sum)).toBe(apart);
      },
    ),
    { seed: SEED, numRuns: 500 },
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  amountOf,
  DEFAULT_TARIFF,
  parseTariff,
  QUANTITIES,
  type Quantities,
  rate,
} from '../../gateway/billing/tariff/tariff.ts';
import { checkTariffs } from './tariff-vectors.ts';

const SEED = 20260604;
/** `AIMX_VECTORS=1000000` for a long look. */
const VECTORS = Number(process.env.AIMX_VECTORS ?? 2000);

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

test(`amounts add up to what each period costs by the definition, to the unit (seed ${SEED}, ${VECTORS} uses)`, () => {
  expect(checkTariffs(VECTORS, SEED)).toBeGreaterThanOrEqual(VECTORS);
});

test('gives an amount by time of day, over midnight too', () => {
  const night = parseTariff({
    version: 1,
    name: 'night',
    prices: { inference: '1000' },
    hours: { utcOffsetMinutes: 60, factors: [{ from: '22:00', to: '06:00', ppm: 500_000 }] },
  });
  const at = (hour: number): bigint =>
    rate(night, undefined, { inference: 1 }, Date.UTC(2026, 5, 1, hour)).amount;
  expect([at(20), at(21), at(4), at(5)]).toEqual([1000n, 500n, 500n, 1000n]);
});

test('takes a minimum with the first use of a month and nothing more until it is used up', () => {
  const tariff = parseTariff({
    version: 1,
    name: 'm',
    prices: { inference: '40' },
    minimum: '100',
    period: 'month',
  });
  let counted: ReturnType<typeof rate>['after'];
  const amounts = [1, 1, 1, 1, 1].map((n, i) => {
    const rated = rate(tariff, counted, { inference: n }, Date.UTC(2026, i < 4 ? 0 : 1, 5));
    counted = rated.after;
    return rated.amount;
  });
  expect(amounts).toEqual([100n, 0n, 20n, 40n, 100n]);
});

test.each([
  [{ prices: { token: [{ price: '1' }] } }, 'prices.token'],
  [{ prices: { token: [{ upTo: 5, price: '1' }, { upTo: 5, price: '2' }, { price: '3' }] } }, 'upTo'],
  [
    {
      prices: {
        token: [
          { upTo: 5, price: '1' },
          { upTo: 9, price: '2' },
        ],
      },
    },
    'upTo',
  ],
  [{ hours: { factors: [{ from: '24:00', to: '06:00', ppm: 1 }] } }, 'hours.factors.0.from'],
  [{ period: 'week' }, 'period'],
])('refuses %j', (part, where) => {
  expect(() => parseTariff({ version: 1, name: 'x', ...part })).toThrow(
    expect.objectContaining({ code: 'TARIFF_INVALID', message: expect.stringContaining(where) }),
  );
});

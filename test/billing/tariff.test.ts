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

const priceOf = fc.oneof(
  units,
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 10_000 }), units), { minLength: 1, maxLength: 4 })
    .map((steps) => {
      let upTo = 0;
      const tiers = steps.map(([width, price]) => {
        upTo += width;
        return { upTo, price };
      });
      return [...tiers, { price: '7' }];
    }),
);
const hours = fc.record({
  utcOffsetMinutes: fc.integer({ min: -720, max: 840 }),
  factors: fc.array(
    fc.record({
      from: fc.constantFrom('00:00', '06:30', '22:00'),
      to: fc.constantFrom('06:00', '12:00', '23:59'),
      ppm: fc.integer({ min: 0, max: 3_000_000 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});
const rich = fc.record(
  {
    version: fc.constant(1),
    name: fc.constant('rich'),
    fixed: units,
    prices: fc.record({ inference: priceOf, compute_us: priceOf, token: priceOf }, { requiredKeys: [] }),
    free: fc.record({ inference: fc.integer({ min: 1, max: 500 }) }),
    minimum: units,
    period: fc.constantFrom('ever', 'day', 'month'),
    hours,
  },
  { requiredKeys: ['version', 'name', 'prices'] },
);
const small = fc.integer({ min: 0, max: 3000 });
const step = fc.record({
  used: fc.record({ inference: small, compute_us: small, token: small }),
  gapMs: fc.integer({ min: 0, max: 40 * 3_600_000 }),
});

test(`amounts add up to what each period costs by the definition, to the unit (seed ${SEED}, ${VECTORS} uses)`, () => {
  let vectors = 0;
  fc.assert(
    fc.property(rich, fc.array(step, { minLength: 1, maxLength: 40 }), (document, steps) => {
      const tariff = parseTariff(document);
      let counted: ReturnType<typeof rate>['after'];
      let time = Date.UTC(2026, 0, 31, 22);
      let total = 0n;
      const periods = new Map<string, { scaled: bigint; used: Map<string, bigint>; any: boolean }>();
      for (const { used, gapMs } of steps) {
        vectors++;
        time += gapMs;
        const rated = rate(tariff, counted, used, time);
        counted = rated.after;
        total += rated.amount;
        expect(rated.amount >= 0n).toBe(true);
        const local = new Date(time + (document.hours?.utcOffsetMinutes ?? 0) * 60_000).toISOString();
        const name = { ever: '', day: local.slice(0, 10), month: local.slice(0, 7) }[
          (document.period ?? 'ever') as 'ever'
        ];
        const period = periods.get(name) ?? { scaled: 0n, used: new Map(), any: false };
        periods.set(name, period);
        period.any = true;
        let cost = BigInt(document.fixed ?? '0') * BigInt(used.inference);
        for (const [quantity, n] of Object.entries(used)) {
          const before = period.used.get(quantity) ?? 0n;
          cost += naive(document, quantity, before + BigInt(n)) - naive(document, quantity, before);
          period.used.set(quantity, before + BigInt(n));
        }
        period.scaled += cost * BigInt(tariff.hours?.at(time) ?? 1_000_000);
      }
      let expected = 0n;
      for (const { scaled } of periods.values()) {
        const charge = scaled / 1_000_000n;
        const minimum = BigInt(document.minimum ?? '0');
        expected += charge < minimum ? minimum : charge;
      }
      expect(total).toBe(expected);
    }),
    { seed: SEED, numRuns: Math.ceil(VECTORS / 20) },
  );
  expect(vectors).toBeGreaterThan(VECTORS / 4);
});

/** What the first `n` units of a quantity cost, unit by unit boundaries and all, in the plainest way. */
function naive(document: Record<string, unknown>, quantity: string, n: bigint): bigint {
  const price = (document.prices as Record<string, string | { upTo?: number; price: string }[]>)[quantity];
  if (price === undefined) return 0n;
  const free = BigInt((document.free as Record<string, number> | undefined)?.[quantity] ?? 0);
  const charged = n > free ? n - free : 0n;
  const tiers = typeof price === 'string' ? [{ price } as { upTo?: number; price: string }] : price;
  return tiers.reduce((sum, tier, i) => {
    const from = BigInt(tiers[i - 1]?.upTo ?? 0);
    const to = tier.upTo === undefined ? charged : BigInt(Math.min(tier.upTo, Number(charged)));
    return to > from ? sum + (to - from) * BigInt(tier.price) : sum;
  }, 0n);
}

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

import fc from 'fast-check';
import { parseTariff, rate, type Tariff } from '../../gateway/billing/tariff/tariff.ts';

const units = fc.bigInt({ min: 0n, max: 10n ** 24n }).map(String);
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
    currency: fc.constant({ code: 'EUR', signer: `0x${'9'.repeat(40)}` }),
  },
  { requiredKeys: ['version', 'name', 'prices'] },
);
const small = fc.integer({ min: 0, max: 3000 });
const step = fc.record({
  used: fc.record({ inference: small, compute_us: small, token: small }),
  gapMs: fc.integer({ min: 0, max: 40 * 3_600_000 }),
  /** What a unit of the currency is worth from this use on. */
  aimx: fc.option(fc.bigInt({ min: 1n, max: 10n ** 24n }), { freq: 8 }),
});

/**
 * Prices random uses by random tariffs until there were `wanted` of them, and compares the sum of the amounts of each sequence
 * with what its periods cost by the plain definition. Throws where they differ by as much as a unit; answers how
 * many uses it tried.
 */
export function checkTariffs(wanted: number, seed: number): number {
  let vectors = 0;
  for (let round = 0; vectors < wanted; round++) {
    const sequences = fc.property(
      rich,
      fc.array(step, { minLength: 1, maxLength: 40 }),
      (document, steps) => {
        vectors += steps.length;
        const [total, expected] = [rated(document, steps), defined(document, steps)];
        if (total !== expected) throw new Error(`amounts add up to ${total}, not to ${expected}`);
      },
    );
    fc.assert(sequences, { seed: seed + round, numRuns: Math.min(1000, Math.ceil(wanted / 20)) });
  }
  return vectors;
}

type Generated<T> = T extends fc.Arbitrary<infer V> ? V : never;
type Document = Generated<typeof rich>;
type Step = Generated<typeof step>;
const START = Date.UTC(2026, 0, 31, 22);

/** What the gateway makes of it, use by use. */
function rated(document: Document, steps: readonly Step[]): bigint {
  let tariff = parseTariff(document);
  let counted: ReturnType<typeof rate>['after'];
  let [time, total] = [START, 0n];
  for (const [i, { used, gapMs, aimx }] of steps.entries()) {
    time += gapMs;
    if (document.currency && (i === 0 || aimx !== null)) tariff = at(tariff, aimx ?? FIRST_RATE);
    const { amount, after } = rate(tariff, counted, used, time);
    if (amount < 0n) throw new Error(`a negative amount: ${amount}`);
    counted = after;
    total += amount;
  }
  return total;
}

const FIRST_RATE = 25n * 10n ** 17n;

/** A tariff with a rate, without its signature: that has a test of its own and takes longer than all the rest. */
const at = (tariff: Tariff, aimx: bigint): Tariff => ({
  ...tariff,
  exchange: { aimx, validUntil: Number.MAX_SAFE_INTEGER },
});

/**
 * What uses cost by the definition: each period the larger of its minimum and what was used in it, and with a currency what that grew
 * by with each use at the rate of that use, all of it rounded down once.
 */
function defined(document: Document, steps: readonly Step[]): bigint {
  const tariff = parseTariff(document);
  const minimum = BigInt(document.minimum ?? '0');
  let [time, aimx, worth] = [START, FIRST_RATE, 0n];
  const periods = new Map<string, { scaled: bigint; charge: bigint; used: Map<string, bigint> }>();
  for (const [i, { used, gapMs, ...next }] of steps.entries()) {
    time += gapMs;
    if (i === 0 || next.aimx !== null) aimx = next.aimx ?? FIRST_RATE;
    const local = new Date(time + (document.hours?.utcOffsetMinutes ?? 0) * 60_000).toISOString();
    const names = { ever: '', day: local.slice(0, 10), month: local.slice(0, 7) } as const;
    const name = names[document.period ?? 'ever'];
    const period = periods.get(name) ?? { scaled: 0n, charge: 0n, used: new Map<string, bigint>() };
    periods.set(name, period);
    let cost = BigInt(document.fixed ?? '0') * BigInt(used.inference);
    for (const [quantity, n] of Object.entries(used)) {
      const before = period.used.get(quantity) ?? 0n;
      cost += naive(document, quantity, before + BigInt(n)) - naive(document, quantity, before);
      period.used.set(quantity, before + BigInt(n));
    }
    period.scaled += cost * BigInt(tariff.hours?.at(time) ?? 1_000_000);
    const before = period.charge;
    period.charge = period.scaled / 1_000_000n;
    if (period.charge < minimum) period.charge = minimum;
    worth += (period.charge - before) * (document.currency ? aimx : 1n);
  }
  return document.currency ? worth / 10n ** 18n : worth;
}

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

import { z } from 'zod';
import { PPM } from './hours.ts';
import { QUANTITIES } from './quantities.ts';

/** An amount in the token's smallest unit (10⁻¹⁸ AIMX), as a decimal string, because JSON numbers end at 2^53. */
const units = z
  .string()
  .regex(/^(0|[1-9]\d{0,29})$/, 'a whole number of 10^-18 AIMX, as a string without leading zeros');

/** Graduated prices: each tier's price holds for the units up to its end; the last has no end. */
const tiersSchema = z
  .array(
    z.strictObject({
      upTo: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
      price: units,
    }),
  )
  .min(2)
  .max(32)
  .refine(
    (tiers) =>
      tiers.every(({ upTo }, i) =>
        i === tiers.length - 1 ? upTo === undefined : upTo !== undefined && upTo > (tiers[i - 1]?.upTo ?? 0),
      ),
    'tiers need a rising upTo each, but for the last, which has none',
  );

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time such as 06:30');

/**
 * `{utcOffsetMinutes: 60, factors: [{from: "22:00", to: "06:00", ppm: 500000}]}`: half price at night. The offset is
 * fixed, so that a receipt can be checked without the rules of a time zone. The first range that fits counts; `to` is
 * exclusive, and a range may go over midnight.
 */
const factorSchema = z.strictObject({
  utcOffsetMinutes: z.number().int().min(-720).max(840).default(0),
  factors: z
    .array(
      z.strictObject({
        from: clockTime,
        to: clockTime,
        ppm: z
          .number()
          .int()
          .min(0)
          .max(100 * PPM),
      }),
    )
    .min(1)
    .max(24),
});

/** Over what quotas, tiers and the minimum count: since the channel opened, or anew each day or month. */
const PERIODS = ['ever', 'day', 'month'] as const;

const perQuantity = <T extends z.ZodType>(value: T) =>
  z.strictObject(Object.fromEntries(QUANTITIES.map((name) => [name, value.optional()])));

/** The most that a rate may be valid for: who sets prices in a currency means today's AIMX. */
const MAX_RATE_MS = 7 * 86_400_000;

/** A signed rate, see `snapshot.ts`. */
export const rateSchema = z
  .strictObject({
    currency: z.string().regex(/^[A-Z]{3}$/, 'a currency such as EUR'),
    aimx: units.refine((text) => text !== '0', 'more than 0'),
    observedAt: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    validUntil: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    source: z.string().max(200),
    signature: z.string().regex(/^0x[0-9a-f]{130}$/, '65 bytes'),
  })
  .refine(
    ({ observedAt, validUntil }) => validUntil > observedAt && validUntil - observedAt <= MAX_RATE_MS,
    'a rate is valid for a time after it was observed, and for 7 days at most',
  );

/**
 * A tariff file. In its simplest form `amount = inference × fixed + Σ quantity × price`, which is linear, so that what
 * is coalesced costs the same. Graduated prices, free quotas, a minimum and times of day keep that property: an amount is
 * always the growth of one function of everything used so far (see {@link rate}).
 */
export const tariffSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().max(200),
  fixed: units.default('0').describe('Per inference'),
  prices: perQuantity(z.union([units, tiersSchema]))
    .default({})
    .describe('Per unit of each quantity, or a list of tiers: [{upTo: 1000, price: "5"}, {price: "3"}]'),
  free: perQuantity(z.number().int().min(1).max(Number.MAX_SAFE_INTEGER))
    .optional()
    .describe('Units of a quantity that cost nothing in each period'),
  minimum: units.optional().describe('Least that a period costs once anything is used in it'),
  period: z.enum(PERIODS).optional().describe('Of free quotas, tiers and the minimum; default: ever'),
  hours: factorSchema.optional().describe('Factors by time of day, in millionths'),
  currency: z
    .strictObject({
      code: z.string().regex(/^[A-Z]{3}$/, 'a currency such as EUR'),
      signer: z.string().regex(/^0x[0-9a-f]{40}$/, 'an address, lower case'),
    })
    .optional()
    .describe(
      'Prices are in 10^-18 of this currency, and what it is worth in AIMX says a rate that `signer` has signed',
    ),
  rate: rateSchema.optional().describe('The rate that holds: put in by the gateway, and so part of the hash'),
});

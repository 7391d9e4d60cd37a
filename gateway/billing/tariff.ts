import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { keccak, utf8 } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';

/** What can be charged for. Quantities are whole numbers below 2^53. */
export const QUANTITIES = [
  'inference',
  'compute_us',
  'byte_in',
  'byte_out',
  'token',
  'energy_mWh',
  'rent_s',
] as const;
export type Quantity = (typeof QUANTITIES)[number];
export type Quantities = Readonly<Partial<Record<Quantity, number>>>;

/** An amount in the token's smallest unit (10⁻¹⁸ AIMX), as a decimal string, because JSON numbers end at 2^53. */
const units = z
  .string()
  .regex(/^(0|[1-9]\d{0,29})$/, 'a whole number of 10^-18 AIMX, as a string without leading zeros');

/** A tariff file. `amount = inference × fixed + Σ quantity × price`: linear, so that what is coalesced costs the same. */
export const tariffSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().max(200),
  fixed: units.default('0').describe('Per inference'),
  prices: z
    .strictObject(Object.fromEntries(QUANTITIES.map((name) => [name, units.optional()])))
    .default({})
    .describe('Per unit of each quantity'),
});

/** A tariff made ready: `json` (RFC 8785) is the preimage of `hash`. */
export interface Tariff {
  readonly json: string;
  readonly hash: Uint8Array;
  readonly fixed: bigint;
  readonly prices: readonly (readonly [Quantity, bigint])[];
}

/** 0.0001 AIMX per inference, for a gateway that was given no tariff. */
export const DEFAULT_TARIFF: Tariff = parseTariff({
  version: 1,
  name: 'default',
  prices: { inference: '100000000000000' },
});

/** Checks a parsed tariff file. Throws TARIFF_INVALID naming each fault. */
export function parseTariff(document: unknown): Tariff {
  const parsed = tariffSchema.safeParse(document);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'tariff'}: ${issue.message}`,
    );
    throw new GatewayError('TARIFF_INVALID', `The tariff is not valid: ${faults.join('; ')}.`);
  }
  const json = canonicalJson(parsed.data);
  const prices = parsed.data.prices as Partial<Record<Quantity, string>>;
  return {
    json,
    hash: keccak(utf8(json)),
    fixed: BigInt(parsed.data.fixed),
    prices: QUANTITIES.flatMap((name) => {
      const price = BigInt(prices[name] ?? '0');
      return price === 0n ? [] : [[name, price] as const];
    }),
  };
}

/** What the quantities cost, in 10⁻¹⁸ AIMX. */
export function amountOf(tariff: Tariff, used: Quantities): bigint {
  let amount = tariff.fixed * BigInt(used.inference ?? 0);
  for (const [name, price] of tariff.prices) amount += price * BigInt(used[name] ?? 0);
  return amount;
}

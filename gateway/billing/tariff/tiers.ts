import { z } from 'zod';
import type { Quantity } from './quantities.ts';

/** An amount in the token's smallest unit (10⁻¹⁸ AIMX), as a decimal string, because JSON numbers end at 2^53. */
export const units = z
  .string()
  .regex(/^(0|[1-9]\d{0,29})$/, 'a whole number of 10^-18 AIMX, as a string without leading zeros');

/** Graduated prices: each tier's price holds for the units up to its end; the last has no end. */
export const tiersSchema = z
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

/** Price of one quantity. */
export interface Price {
  readonly quantity: Quantity;
  /** Units that cost nothing, before the first tier. */
  readonly free: bigint;
  readonly tiers: readonly { readonly upTo: bigint | undefined; readonly price: bigint }[];
}

/** What `units` more cost after `from` units. */
export const costOf = (price: Price, from: bigint, more: bigint): bigint =>
  more === 0n ? 0n : total(price, from + more) - total(price, from);

/** What the first `n` units cost. */
function total({ free, tiers }: Price, n: bigint): bigint {
  let left = n - free;
  if (left <= 0n) return 0n;
  let cost = 0n;
  let begin = 0n;
  for (const { upTo, price } of tiers) {
    const last = upTo === undefined || left <= upTo - begin;
    const here = last ? left : upTo - begin;
    cost += here * price;
    if (last) break;
    left -= here;
    begin = upTo;
  }
  return cost;
}

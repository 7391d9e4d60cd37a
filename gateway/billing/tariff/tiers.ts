import type { Quantity } from './quantities.ts';

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

import type { Quantities } from './quantities.ts';
import { type Counted, rate, type Tariff } from './tariff.ts';

/** What a number of uses would cost. */
export interface Quote {
  readonly count: number;
  /** In 10⁻¹⁸ AIMX. */
  readonly first: bigint;
  readonly last: bigint;
  readonly total: bigint;
}

/** Uses that are added up one by one, so that the first and the last show what tiers and minimum do. */
const ONE_BY_ONE = 2;

/** Prices `count` equal uses that begin at `startedAt`, on a channel that has used nothing before. */
export function quote(tariff: Tariff, each: Quantities, count: number, startedAt: number): Quote {
  const times = (n: number): Quantities =>
    Object.fromEntries(Object.entries(each).map(([name, quantity]) => [name, quantity * n]));
  let counted: Counted | undefined;
  const step = (n: number): bigint => {
    const rated = rate(tariff, counted, times(n), startedAt);
    counted = rated.after;
    return rated.amount;
  };
  const first = step(1);
  const middle = count > ONE_BY_ONE ? step(count - ONE_BY_ONE) : 0n;
  const last = count > 1 ? step(1) : first;
  return { count, first, last, total: count > 1 ? first + middle + last : first };
}

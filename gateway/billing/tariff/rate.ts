import { keccak, utf8 } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { type Factor, factorOf, type Hours, PPM } from './hours.ts';
import { QUANTITIES, type Quantities, type Quantity } from './quantities.ts';
import { costOf, type Price } from './tiers.ts';

type Period = 'ever' | 'day' | 'month';

/** A tariff made ready: `json` (RFC 8785) is the preimage of `hash`. */
export interface Tariff {
  readonly json: string;
  readonly hash: Uint8Array;
  readonly fixed: bigint;
  readonly prices: readonly Price[];
  /** Whether an amount depends on what was used before: then receipts carry that with them. */
  readonly stateful: boolean;
  readonly minimum: bigint;
  readonly period: Period;
  readonly hours: Factor | undefined;
}

/** A valid tariff file with its defaults filled in. */
export interface TariffDocument {
  readonly fixed: string;
  readonly prices: Partial<
    Record<Quantity, string | readonly { readonly upTo?: number; readonly price: string }[]>
  >;
  readonly free?: Partial<Record<Quantity, number>>;
  readonly minimum?: string;
  readonly period?: Period;
  readonly hours?: Hours;
}

/** Makes a tariff ready that was checked before, so that the thread that stores receipts need not load the checker. */
export function readyTariff(data: TariffDocument): Tariff {
  const json = canonicalJson(data);
  const prices = QUANTITIES.flatMap((quantity): Price[] => {
    const price = data.prices[quantity];
    if (price === undefined || price === '0') return [];
    const tiers = typeof price === 'string' ? [{ price }] : price;
    return [
      {
        quantity,
        free: BigInt(data.free?.[quantity] ?? 0),
        tiers: tiers.map((tier) => ({
          upTo: tier.upTo === undefined ? undefined : BigInt(tier.upTo),
          price: BigInt(tier.price),
        })),
      },
    ];
  });
  const minimum = BigInt(data.minimum ?? '0');
  const graduated = prices.some(({ free: quota, tiers }) => quota > 0n || tiers.length > 1);
  return {
    json,
    hash: keccak(utf8(json)),
    fixed: BigInt(data.fixed),
    prices,
    stateful: graduated || minimum > 0n || data.hours !== undefined,
    minimum,
    period: data.period ?? 'ever',
    hours: data.hours && factorOf(data.hours),
  };
}

/** What the quantities cost by themselves, in 10⁻¹⁸ AIMX: all there is to a tariff that is not stateful. */
export function amountOf(tariff: Tariff, used: Quantities): bigint {
  let amount = tariff.fixed * BigInt(used.inference ?? 0);
  for (const price of tariff.prices) amount += costOf(price, 0n, BigInt(used[price.quantity] ?? 0));
  return amount;
}

/** What a channel has used in a period, as a stateful tariff counts it. JSON, part of the preimage of `usageHash`. */
export interface Counted {
  /** `2026-11`, `2026-11-22`, or empty for `ever`. */
  readonly period: string;
  readonly quantities: Quantities;
  /** All costs of the period in millionths of a unit, before the minimum: a decimal string. */
  readonly scaled: string;
}

export interface Rated {
  readonly amount: bigint;
  /** What had been used before; absent when the tariff does not depend on it. */
  readonly before?: Counted;
  readonly after?: Counted;
}

/**
 * What a use costs after everything before it. The charge of a period is `C = max(minimum, ⌊Σ factor × cost⌋)`, and a use
 * costs what it adds to `C`: fractions are carried and never lost, a minimum is paid by the first use, and uses that share
 * a receipt cost what they cost apart.
 *
 * @param startedAt milliseconds since the epoch: decides the period and the time of day
 */
export function rate(
  tariff: Tariff,
  counted: Counted | undefined,
  used: Quantities,
  startedAt: number,
): Rated {
  if (!tariff.stateful) return { amount: amountOf(tariff, used) };
  const before = current(tariff, counted, startedAt);
  const quantities: Partial<Record<Quantity, number>> = { ...before.quantities };
  let cost = tariff.fixed * BigInt(used.inference ?? 0);
  for (const price of tariff.prices) {
    const from = BigInt(before.quantities[price.quantity] ?? 0);
    cost += costOf(price, from, BigInt(used[price.quantity] ?? 0));
  }
  for (const [name, n] of Object.entries(used) as [Quantity, number][]) {
    if (n > 0) quantities[name] = Math.min(Number.MAX_SAFE_INTEGER, (quantities[name] ?? 0) + n);
  }
  const factor = BigInt(tariff.hours?.at(startedAt) ?? PPM);
  const scaled = BigInt(before.scaled) + cost * factor;
  const amount = chargeOf(tariff, scaled, true) - chargeOf(tariff, BigInt(before.scaled), isUsed(before));
  return { amount, before, after: { period: before.period, quantities, scaled: String(scaled) } };
}

const isUsed = ({ quantities }: Counted): boolean => Object.keys(quantities).length > 0;

function chargeOf({ minimum }: Tariff, scaled: bigint, used: boolean): bigint {
  const charge = scaled / BigInt(PPM);
  return used && charge < minimum ? minimum : charge;
}

/** The counts of the period that `startedAt` is in. A late use counts in the present period: periods never go back. */
function current(tariff: Tariff, counted: Counted | undefined, startedAt: number): Counted {
  const local = new Date(startedAt + (tariff.hours?.offsetMinutes ?? 0) * 60_000).toISOString();
  const period = tariff.period === 'ever' ? '' : local.slice(0, tariff.period === 'day' ? 10 : 7);
  if (counted && counted.period >= period) return counted;
  return { period, quantities: {}, scaled: '0' };
}

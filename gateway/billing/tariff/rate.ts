import { GatewayError } from '../../errors.ts';
import { keccak, utf8 } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { type Factor, factorOf, type Hours, PPM } from './hours.ts';
import { QUANTITIES, type Quantities, type Quantity } from './quantities.ts';
import type { RateSnapshot } from './snapshot.ts';
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
  /** What counts hang on: the hash of the tariff without its rate, because a new rate does not begin a new count. */
  readonly counting: { readonly json: string; readonly hash: Uint8Array };
  /** Prices are in this currency; undefined: in AIMX. */
  readonly currency: string | undefined;
  /** What a unit of the currency is worth; undefined for prices in AIMX, and while no rate is known. */
  readonly exchange: { readonly aimx: bigint; readonly validUntil: number } | undefined;
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
  readonly currency?: { readonly code: string; readonly signer: string };
  readonly rate?: RateSnapshot;
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
  const { rate: snapshot, ...rest } = data;
  const hash = keccak(utf8(json));
  const countingJson = snapshot ? canonicalJson(rest) : json;
  return {
    json,
    hash,
    counting: snapshot ? { json: countingJson, hash: keccak(utf8(countingJson)) } : { json, hash },
    currency: data.currency?.code,
    exchange: snapshot && { aimx: BigInt(snapshot.aimx), validUntil: snapshot.validUntil },
    fixed: BigInt(data.fixed),
    prices,
    stateful: graduated || minimum > 0n || data.hours !== undefined || data.currency !== undefined,
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
  /** With prices in a currency: what of 10⁻¹⁸ AIMX was left over so far, in 10⁻¹⁸ of it. It outlives periods and rates. */
  readonly rest?: string;
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
  const charge = chargeOf(tariff, scaled, true) - chargeOf(tariff, BigInt(before.scaled), isUsed(before));
  const after = { period: before.period, quantities, scaled: String(scaled) };
  if (tariff.currency === undefined) return { amount: charge, before, after };
  const worth = charge * aimxAt(tariff, startedAt) + BigInt(before.rest ?? '0');
  return { amount: worth / UNIT, before, after: { ...after, rest: String(worth % UNIT) } };
}

/** Prices and rates count 10⁻¹⁸. */
const UNIT = 10n ** 18n;
/** A use that was let in before its rate ended may begin a little later. */
const GRACE_MS = 300_000;

/** 10⁻¹⁸ AIMX for a unit of the currency. Throws RATE_EXPIRED. */
function aimxAt(tariff: Tariff, startedAt: number): bigint {
  requireRate(tariff, startedAt - GRACE_MS);
  return tariff.exchange!.aimx;
}

/**
 * Throws RATE_EXPIRED when a tariff in a currency has no rate that is valid at this time (ms since the epoch): whoever lets
 * uses in asks before.
 */
export function requireRate({ currency, exchange }: Tariff, now: number): void {
  if (currency === undefined || (exchange && now <= exchange.validUntil)) return;
  throw new GatewayError('RATE_EXPIRED', `Prices are in ${currency}, and no rate to AIMX is valid now.`, {
    ...(exchange ? { received: `a rate until ${new Date(exchange.validUntil).toISOString()}` } : {}),
    expected: `a signed rate of ${currency} that is valid`,
  });
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
  return {
    period,
    quantities: {},
    scaled: '0',
    ...(counted?.rest === undefined ? {} : { rest: counted.rest }),
  };
}

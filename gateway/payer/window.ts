import { type Quantities, rate, type Tariff } from '../billing/tariff/tariff.ts';
import type { Books } from './books/books.ts';
import { acceptedTariffs } from './books/tariffs.ts';

/** Inferences that a gateway may be ahead by default: what a payer can lose once. */
export const DEFAULT_WINDOW = 100;

/** What an inference is taken to use before any was billed; a guess that the first receipts put right. */
const GUESS: Quantities = { inference: 1, compute_us: 50_000, byte_in: 4096, byte_out: 4096 };
/** How many of the newest receipts tell what an inference costs. */
const SAMPLE = 50;

/** What one inference costs on a channel: the highest of the newest receipts, else a guess by the tariff. */
export function priceOf(books: Books, channel: Uint8Array, now: number): bigint {
  const newest = books.all<{ amount: string }>(
    'SELECT amount FROM payer_receipts WHERE channel = ? AND checked_at IS NOT NULL ORDER BY seq DESC LIMIT ?',
    channel,
    SAMPLE,
  );
  let most = 0n;
  for (const { amount } of newest) if (BigInt(amount) > most) most = BigInt(amount);
  if (most > 0n) return most;
  const [tariff] = acceptedTariffs(books, channel);
  return tariff ? guessOf(tariff, now) : 1n;
}

/** What one inference costs by a tariff after free quotas: what it adds when much was used before. */
export function guessOf(tariff: Tariff, time: number): bigint {
  const { exchange, currency } = tariff;
  if (currency !== undefined && !exchange) return 1n;
  // A rate that has expired is still the best guess.
  const now = exchange ? Math.min(time, exchange.validUntil) : time;
  const many = Object.fromEntries(Object.entries(GUESS).map(([name, n]) => [name, n * DEFAULT_WINDOW]));
  const { amount, after } = rate(tariff, undefined, many, now);
  const next = rate(tariff, after, GUESS, now).amount;
  const mean = amount / BigInt(DEFAULT_WINDOW);
  const most = next > mean ? next : mean;
  return most > 0n ? most : 1n;
}

/** The credit window: a number of inferences at their present price. */
export const windowOf = (books: Books, channel: Uint8Array, inferences: number, now: number): bigint =>
  priceOf(books, channel, now) * BigInt(inferences);

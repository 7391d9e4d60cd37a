import { sameBytes, toHex } from '../../billing/formats/bytes.ts';
import { parseTariff, type Tariff, withRate } from '../../billing/tariff/tariff.ts';
import { GatewayError } from '../../errors.ts';
import type { Books } from './books.ts';

/** The tariffs that a channel's owner has accepted, by their hash without the rate, which changes. */

/** Accepts a tariff with whatever rate; the rate that it has now serves to guess what an inference costs. */
export function acceptTariff(books: Books, channel: Uint8Array, tariff: Tariff, now: number): void {
  books.run(
    `INSERT INTO payer_tariffs VALUES (?, ?, ?, ?)
     ON CONFLICT (channel, hash) DO UPDATE SET json = excluded.json`,
    ...[channel, tariff.counting.hash, tariff.json, now],
  );
}

/** Ready tariffs by their text: made once. */
const ready = new Map<string, Tariff>();
const MAX_READY = 64;

/** The accepted tariff that a receipt is by: with the receipt's rate, where the prices are in a currency. */
export function acceptedTariff(
  books: Books,
  channel: Uint8Array,
  hash: Uint8Array,
  rate: object | undefined,
): Tariff | undefined {
  const key = toHex(hash);
  const known = byHash.get(key);
  if (known && isAccepted(books, channel, known)) return known;
  const found = acceptedTariffs(books, channel)
    .map((tariff) => (rate ? rated(tariff, rate) : tariff))
    .find((tariff) => tariff !== undefined && sameBytes(tariff.hash, hash));
  if (found) {
    if (byHash.size >= MAX_READY) byHash.clear();
    byHash.set(key, found);
  }
  return found;
}

/** By the hash that stands in receipts: a rate takes milliseconds to check. */
const byHash = new Map<string, Tariff>();

const isAccepted = (books: Books, channel: Uint8Array, { counting }: Tariff): boolean =>
  books.one('SELECT 1 FROM payer_tariffs WHERE channel = ? AND hash = ?', channel, counting.hash) !==
  undefined;

/** Undefined when the rate is none for the tariff, or not signed by whom the tariff names. */
function rated(tariff: Tariff, rate: object): Tariff | undefined {
  try {
    return withRate(tariff, rate);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'RATE_INVALID') return undefined;
    throw error;
  }
}

/** The newest first. */
export const acceptedTariffs = (books: Books, channel: Uint8Array): Tariff[] =>
  books
    .all<{ json: string }>(
      'SELECT json FROM payer_tariffs WHERE channel = ? ORDER BY accepted_at DESC',
      channel,
    )
    .map(({ json }) => readyTariff(json));

function readyTariff(json: string): Tariff {
  const known = ready.get(json);
  if (known) return known;
  if (ready.size >= MAX_READY) ready.clear();
  const tariff = parseTariff(JSON.parse(json));
  ready.set(json, tariff);
  return tariff;
}

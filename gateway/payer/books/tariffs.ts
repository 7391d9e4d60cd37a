import { parseTariff, type Tariff } from '../../billing/tariff/tariff.ts';
import type { Books } from './books.ts';

/** The tariffs that a channel's owner has accepted, by hash. */

export function acceptTariff(books: Books, channel: Uint8Array, tariff: Tariff, now: number): void {
  books.run(
    'INSERT OR IGNORE INTO payer_tariffs VALUES (?, ?, ?, ?)',
    ...[channel, tariff.hash, tariff.json, now],
  );
}

/** Ready tariffs by their text: made once. */
const ready = new Map<string, Tariff>();
const MAX_READY = 64;

export function acceptedTariff(books: Books, channel: Uint8Array, hash: Uint8Array): Tariff | undefined {
  const row = books.one<{ json: string }>(
    'SELECT json FROM payer_tariffs WHERE channel = ? AND hash = ?',
    channel,
    hash,
  );
  return row && readyTariff(row.json);
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

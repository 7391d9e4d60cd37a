import { type Committed, HOUR_MS, type Limit, type LimitScope } from '../limits.ts';
import type { Books } from './books.ts';

export function readLimits(books: Books): Limit[] {
  const rows = books.all<{ scope: LimitScope; name: string; amount: string }>(
    'SELECT scope, name, amount FROM payer_limits ORDER BY scope, name',
  );
  return rows.map((row) => ({ ...row, amount: BigInt(row.amount) }));
}

/** Sets a limit; undefined takes it away. */
export function setLimit(books: Books, scope: LimitScope, name: string, amount: bigint | undefined): void {
  const key = scope === 'gateway' ? name.toLowerCase() : name;
  if (amount === undefined) books.run('DELETE FROM payer_limits WHERE scope = ? AND name = ?', scope, key);
  else books.run('INSERT OR REPLACE INTO payer_limits VALUES (?, ?, ?)', scope, key, String(amount));
}

/** What ceilings have committed, over all channels. Signed at a time ahead of now (a clock that was set back) counts as now. */
export function committedTo(books: Books, device: string, now: number): Committed {
  const hour = books
    .all<{ added: string }>('SELECT added FROM payer_ceilings WHERE signed_at > ?', now - HOUR_MS)
    .reduce((sum, { added }) => sum + BigInt(added), 0n);
  let total = 0n;
  let gateway = 0n;
  for (const row of books.all<{ ceiling: string; terms: string }>(
    'SELECT ceiling, terms FROM payer_channels',
  )) {
    const { device: its } = JSON.parse(row.terms) as { device: string };
    total += BigInt(row.ceiling);
    if (its.toLowerCase() === device.toLowerCase()) gateway += BigInt(row.ceiling);
  }
  return { hour, total, gateway };
}

/** What checked receipts of a model have cost, over all channels. */
export const spentOn = (books: Books, model: string): bigint =>
  BigInt(
    books.one<{ amount: string }>('SELECT amount FROM payer_spent WHERE model = ?', model)?.amount ?? '0',
  );

export const listSpent = (books: Books): { model: string; amount: bigint }[] =>
  books
    .all<{ model: string; amount: string }>('SELECT model, amount FROM payer_spent ORDER BY model')
    .map(({ model, amount }) => ({ model, amount: BigInt(amount) }));

/** Part of the transaction that takes a receipt as checked. */
export function addSpent(books: Books, model: string, amount: bigint): void {
  const sum = spentOn(books, model) + amount;
  books.run('INSERT OR REPLACE INTO payer_spent VALUES (?, ?)', model, String(sum));
}

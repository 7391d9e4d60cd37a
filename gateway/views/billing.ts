import { DEFAULT_MAX_BYTES, type Space } from '../billing/metering/space.ts';
import type { BooksRow } from '../billing/receipts/receipt-queries.ts';
import { listReceipts, oldestKept } from '../billing/receipts/receipts.ts';
import type { Config } from '../config/schema.ts';
import type { BillingView, ReceiptView } from '../http/index.ts';
import type { Store } from '../store/types.ts';

const BATCHES = 20;

interface BatchRow {
  readonly id: number;
  readonly from_ordinal: number;
  readonly to_ordinal: number;
  readonly total: string;
  readonly root: Uint8Array;
  readonly state: string;
  readonly sealed_at: number;
  readonly tx: Uint8Array | null;
}

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** Totals and newest batches of all books. */
export async function readBilling(store: Store, config: Config): Promise<BillingView> {
  const books = await store.query<BooksRow[]>('billing.books', {});
  const maxBytes = config.billing?.maxBytes ?? DEFAULT_MAX_BYTES;
  const space = await store.query<Space>('billing.space', { maxBytes });
  const rows = await store.query<BatchRow[]>('billing.batches', { limit: BATCHES });
  const sum = (pick: (book: BooksRow) => number): number =>
    books.reduce((total, book) => total + pick(book), 0);
  return {
    receipts: sum((book) => book.receipts),
    kept: sum((book) => book.receipts - book.pruned),
    keptSince: oldestKept(books),
    bytes: space.bytes,
    maxBytes,
    pending: sum((book) => book.receipts - book.final + book.pending),
    amount: String(books.reduce((total, book) => total + BigInt(book.total), 0n)),
    symbol: 'AIMX',
    decimals: 18,
    chainId: config.billing?.chain?.chainId ?? null,
    batches: rows.map((row, index) => {
      // `total` is cumulative; the batch's own part is what it adds to the one before.
      const before = rows.slice(index + 1).find((other) => other.to_ordinal < row.from_ordinal);
      return {
        id: row.id,
        root: hex(row.root),
        toSeq: row.to_ordinal,
        receipts: row.to_ordinal - row.from_ordinal + 1,
        amount: String(BigInt(row.total) - BigInt(before?.total ?? 0)),
        state: row.state,
        txHash: row.tx ? hex(row.tx) : null,
        time: row.sealed_at,
      };
    }),
  };
}

export async function readReceipts(
  store: Store,
  query: { limit: number; account?: string },
): Promise<ReceiptView[]> {
  const rows = await listReceipts(store, query);
  return rows.map(({ place, startedAt, ...row }) => ({ ...row, place, time: startedAt }));
}

import { DEFAULT_MAX_BYTES, type Space } from '../billing/metering/space.ts';
import type { AccountRow, FoundBatch, ListedBatch } from '../billing/receipts/batch-queries.ts';
import { type BooksRow, placeOf } from '../billing/receipts/receipt-queries.ts';
import { listReceipts, oldestKept, proofText, showReceipt } from '../billing/receipts/receipts.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type {
  BatchDetail,
  BatchView,
  BillingSummary,
  BillingView,
  ReceiptDetail,
  ReceiptsQuery,
  ReceiptView,
} from '../http/index.ts';
import type { Store } from '../store/types.ts';

const BATCHES = 20;
const ACCOUNTS = 200;

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** Totals and newest batches of all books. */
export async function readBilling(store: Store, config: Config): Promise<BillingView> {
  const books = await store.query<BooksRow[]>('billing.books', {});
  const maxBytes = config.billing?.maxBytes ?? DEFAULT_MAX_BYTES;
  const space = await store.query<Space>('billing.space', { maxBytes });
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
    batches: await readBatches(store, { limit: BATCHES }),
  };
}

/** The same with what each account has come to. */
export async function readSummary(store: Store, config: Config, device: string): Promise<BillingSummary> {
  const totals = new Map<string, { receipts: number; amount: bigint }>();
  for (const { account, receipts, cumulative } of await store.query<AccountRow[]>('billing.accounts', {})) {
    const one = totals.get(account) ?? { receipts: 0, amount: 0n };
    totals.set(account, { receipts: one.receipts + receipts, amount: one.amount + BigInt(cumulative) });
  }
  return {
    ...(await readBilling(store, config)),
    device,
    ledger: config.billing?.chain?.ledger ?? null,
    settled: await store.query<string>('billing.settled', {}),
    accounts: [...totals]
      .sort(([, a], [, b]) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0))
      .slice(0, ACCOUNTS)
      .map(([account, { receipts, amount }]) => ({ account, receipts, amount: String(amount) })),
  };
}

/** Newest first. */
export async function readBatches(
  store: Store,
  { limit, before }: { limit: number; before?: number | undefined },
): Promise<BatchView[]> {
  const args = before === undefined ? { limit } : { limit, before };
  return (await store.query<ListedBatch[]>('billing.batchPage', args)).map(batchView);
}

function batchView(row: ListedBatch): BatchView {
  return {
    id: row.id,
    root: hex(row.root),
    toSeq: row.to_ordinal,
    receipts: row.to_ordinal - row.from_ordinal + 1,
    amount: String(BigInt(row.total) - BigInt(row.total_before)),
    state: row.state,
    txHash: row.tx ? hex(row.tx) : null,
    time: row.sealed_at,
  };
}

/** @throws GatewayError NOT_FOUND */
export async function readBatch(store: Store, id: number): Promise<BatchDetail> {
  const { batch, book, txs } = await findBatch(store, id);
  return {
    ...batchView(batch),
    chainId: book.chain_id,
    ledger: book.ledger,
    device: book.device,
    fromSeq: batch.from_ordinal,
    head: hex(batch.head),
    prevHead: hex(batch.prev_head),
    signature: hex(batch.signature),
    transactions: txs.map((tx) => ({
      hash: hex(tx.hash),
      nonce: tx.nonce,
      signedAt: tx.signed_at,
      sentAt: tx.sent_at,
      block: tx.block,
      gasUsed: tx.gas_used,
    })),
  };
}

async function findBatch(store: Store, id: number): Promise<FoundBatch> {
  const found = await store.query<FoundBatch | null>('billing.batch', { id });
  if (found) return found;
  throw new GatewayError('NOT_FOUND', `there is no batch ${id}`, { received: id });
}

/** Newest first. */
export async function readReceipts(
  store: Store,
  { limit, account, before, batch }: ReceiptsQuery,
): Promise<ReceiptView[]> {
  const from = before === undefined ? undefined : placeOf(before);
  const range = batch === undefined ? undefined : (await findBatch(store, batch)).batch;
  const end = range ? { book: range.book, ordinal: range.to_ordinal + 1 } : undefined;
  // Whichever is further back.
  const older =
    from && end ? (from.book === end.book && from.ordinal < end.ordinal ? from : end) : (from ?? end);
  const rows = await listReceipts(store, {
    limit,
    ...(account === undefined ? {} : { account }),
    ...(older ? { before: older } : {}),
  });
  return rows
    .filter(({ place }) => {
      const at = placeOf(place)!;
      return !range || (at.book === range.book && at.ordinal >= range.from_ordinal);
    })
    .map(({ place, startedAt, ...row }) => ({ ...row, place, time: startedAt }));
}

/** @throws GatewayError RECEIPT_UNKNOWN, RECEIPT_REMOVED */
export async function readReceipt(store: Store, id: string): Promise<ReceiptDetail> {
  const shown = await showReceipt(store, id);
  const { batch, proof, verdict } = shown;
  const found = batch ? await findBatch(store, batch.id) : undefined;
  const tx = found?.txs.find(({ hash }) => batch?.tx === hex(hash));
  return {
    place: shown.place,
    seq: shown.seq,
    requestId: shown.requestId,
    account: shown.account,
    model: `${shown.model.name}@${shown.model.version}`,
    amount: shown.amount,
    cumulative: shown.cumulative,
    hash: shown.hash,
    time: shown.startedAt,
    state: shown.state,
    channel: shown.channelId,
    usage: { ...shown.usage },
    computeUs: shown.computeUs,
    tariffHash: proof.receipts[0]!.tariffHash,
    batch: found ? batchView(found.batch) : null,
    transaction: tx ? { hash: hex(tx.hash), block: tx.block, sentAt: tx.sent_at } : null,
    verdict: { kind: verdict.kind, reason: 'reason' in verdict ? verdict.reason : null },
  };
}

/** The proof of a receipt as its one true text. @throws GatewayError RECEIPT_UNKNOWN, RECEIPT_REMOVED */
export const readProof = async (store: Store, id: string): Promise<string> =>
  proofText((await showReceipt(store, id)).proof);

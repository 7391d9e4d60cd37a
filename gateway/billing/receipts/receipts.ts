import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { aimx } from '../formats/amount.ts';
import { fromHex, sameBytes, toHex, ZERO_WORD } from '../formats/bytes.ts';
import { ioHash, ioSalt, parseUsage } from '../metering/measure.ts';
import { storeModule } from '../store-module.ts';
import { proofText, type ReceiptProof, type Verdict, verifyProof } from './proof.ts';
import { type BooksRow, type Evidence, type ListedRow, type ListFilter, placeOf } from './receipt-queries.ts';

export { proofText, type ReceiptProof, type Verdict, verifyProof } from './proof.ts';
export type { BooksRow, ListFilter } from './receipt-queries.ts';

/** Where receipts are read: a running store, or the database file of a gateway that may be stopped. */
export interface ReceiptReader {
  query<T>(name: string, args?: unknown): Promise<T>;
}

/** Reads the database file of a gateway; also while it runs (SQLite WAL). Throws when there is no such file. */
export function openReceiptFile(path: string): ReceiptReader & { close(): void } {
  const db = new DatabaseSync(path, { readOnly: true });
  return {
    query<T>(name: string, args?: unknown): Promise<T> {
      const query = storeModule.queries[name.replace(/^billing\./, '')];
      if (!query) return Promise.reject(new GatewayError('INTERNAL', `There is no query ${name}.`));
      return Promise.resolve(query(db, args as never) as T);
    },
    close: () => db.close(),
  };
}

export interface ListedReceipt {
  /** `book:ordinal`: the short id that `show` and `verify` take. */
  readonly place: string;
  readonly requestId: string;
  readonly account: string;
  readonly seq: number;
  readonly model: string;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly usage: Readonly<Record<string, number>>;
  /** In AIMX, exact. */
  readonly amount: string;
  readonly cumulative: string;
  readonly hash: string;
  /** How far its batch is: OPEN (in none yet), SEALED, SIGNED, SENT, MINED or FINAL. */
  readonly state: string;
}

/** Newest first. */
export async function listReceipts(reader: ReceiptReader, filter: ListFilter = {}): Promise<ListedReceipt[]> {
  const rows = await reader.query<ListedRow[]>('billing.list', filter);
  return rows.map((row) => {
    const model = JSON.parse(row.model) as { name: string; version: string };
    return {
      place: `${row.book}:${row.ordinal}`,
      requestId: row.request_id,
      account: row.account,
      seq: row.seq,
      model: `${model.name}@${model.version}`,
      startedAt: row.started_at,
      usage: usageOf(row.usage),
      amount: aimx(row.amount),
      cumulative: aimx(row.cumulative),
      hash: toHex(row.hash),
      state: row.state ?? 'OPEN',
    };
  });
}

export interface ShownReceipt extends Omit<ListedReceipt, 'model'> {
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  readonly computeUs: number;
  readonly channelId: string;
  readonly ledger: { readonly chainId: number; readonly address: string };
  readonly device: string;
  readonly batch: {
    readonly id: number;
    readonly state: string;
    readonly receipts: number;
    readonly root: string;
    readonly head: string;
    readonly tx: string | null;
    readonly block: number | null;
    readonly gasUsed: number | null;
  } | null;
  readonly verdict: Verdict;
  readonly proof: ReceiptProof;
}

/** One receipt with its batch, transaction and proof. Rejects with RECEIPT_UNKNOWN. */
export async function showReceipt(reader: ReceiptReader, id: string): Promise<ShownReceipt> {
  const found = await findEvidence(reader, id);
  const row = found.receipts[0]!;
  const proof = proofOf(found);
  const { batch, tx } = found;
  return {
    place: `${row.book}:${row.ordinal}`,
    requestId: row.request_id,
    account: found.channel.account,
    seq: row.seq,
    model: JSON.parse(row.model) as ShownReceipt['model'],
    startedAt: row.started_at,
    usage: usageOf(row.usage),
    computeUs: row.compute_us,
    amount: aimx(row.amount),
    cumulative: aimx(row.cumulative),
    hash: toHex(row.hash),
    state: batch?.state ?? 'OPEN',
    channelId: toHex(found.channel.channel_id),
    ledger: { chainId: found.book.chain_id, address: found.book.ledger },
    device: found.book.device,
    batch: batch && {
      id: batch.id,
      state: batch.state,
      receipts: batch.to_ordinal - batch.from_ordinal + 1,
      root: toHex(batch.root),
      head: toHex(batch.head),
      tx: tx && toHex(tx.hash),
      block: tx?.block ?? null,
      gasUsed: tx?.gas_used ?? null,
    },
    verdict: verdictOf(found, proof),
    proof,
  };
}

/** Checks a stored receipt without asking anyone. Rejects with RECEIPT_UNKNOWN. */
export async function verifyReceipt(reader: ReceiptReader, id: string): Promise<Verdict> {
  const found = await findEvidence(reader, id);
  return verdictOf(found, proofOf(found));
}

export function receiptTotals(reader: ReceiptReader): Promise<BooksRow[]> {
  return reader.query<BooksRow[]>('billing.books', {});
}

/** When the oldest receipt that is kept was stored, epoch ms; null when none is. */
export function oldestKept(books: readonly BooksRow[]): number | null {
  return books.reduce<number | null>(
    (oldest, { since }) => (since === null ? oldest : Math.min(oldest ?? since, since)),
    null,
  );
}

async function findEvidence(reader: ReceiptReader, id: string): Promise<Evidence> {
  const found = await reader.query<Evidence | null>('billing.evidence', { id });
  return found ?? missing(reader, id);
}

/** Says whether a receipt is not there or no longer there. */
async function missing(reader: ReceiptReader, id: string): Promise<never> {
  const books = await receiptTotals(reader);
  const place = placeOf(id);
  const book = books.find((one) => one.id === place?.book);
  if (place && book && place.ordinal >= 1 && place.ordinal <= book.pruned)
    throw new GatewayError('RECEIPT_REMOVED', `Receipt ${id} was made and is no longer kept.`, {
      expected: `${book.id}:${book.pruned + 1} or later`,
    });
  const removed = books.reduce((sum, one) => sum + one.pruned, 0);
  if (place || removed === 0) throw new GatewayError('RECEIPT_UNKNOWN', `There is no receipt ${id}.`);
  throw new GatewayError(
    'RECEIPT_UNKNOWN',
    `There is no receipt ${id} among those that are kept; the ${removed} oldest were removed.`,
  );
}

/** Quantities of a row; none when the row is damaged, which the verdict says. */
function usageOf(text: string): Readonly<Record<string, number>> {
  try {
    return parseUsage(text).used as Record<string, number>;
  } catch {
    return {};
  }
}

/** The proof's own verdict, and whether the rows agree with what the proof says. */
function verdictOf(found: Evidence, proof: ReceiptProof): Verdict {
  const verdict = verifyProof(proofText(proof));
  if (verdict.kind === 'invalid') return verdict;
  const row = found.receipts[0]!;
  if (verdict.receiptHash !== toHex(row.hash))
    return { kind: 'invalid', reason: 'the stored hash is not that of the receipt' };
  if (verdict.kind === 'valid' && !sameBytes(fromHex(verdict.root), found.batch!.root))
    return { kind: 'invalid', reason: 'the stored root is not that of the batch' };
  return verdict;
}

function proofOf(found: Evidence): ReceiptProof {
  const { book, channel, batch } = found;
  const first = found.receipts[0]!;
  const salt = ioSalt(book.salt, first.request_id);
  return {
    format: 'aimx-receipt-proof/1',
    ledger: { chainId: book.chain_id, address: book.ledger as `0x${string}` },
    device: book.device,
    channel: channel.config,
    tariff: found.tariff,
    prevHash: toHex(found.prevHash ?? ZERO_WORD),
    io: { salt: toHex(salt), request: toHex(first.request_sha), answer: toHex(first.answer_sha) },
    receipts: found.receipts.map((row) => ({
      seq: row.seq,
      requestId: row.request_id,
      model: row.model,
      tariffHash: toHex(row.tariff_hash),
      usage: row.usage,
      ioHash: toHex(ioHash(ioSalt(book.salt, row.request_id), row.request_sha, row.answer_sha)),
      startedAtMs: row.started_at,
      computeUs: row.compute_us,
      amount: row.amount,
      cumulative: row.cumulative,
    })),
    signature: found.head && toHex(found.head.signature),
    // A batch that the chain may still take back proves nothing.
    batch:
      batch?.state === 'FINAL' && batch.proof
        ? {
            prevHead: toHex(batch.prev_head),
            toSeq: batch.to_ordinal,
            total: batch.total,
            proof: batch.proof.map(toHex),
            head: toHex(batch.head),
            signature: toHex(batch.signature),
          }
        : null,
  };
}

import { aimx } from '../formats/amount.ts';
import { toHex } from '../formats/bytes.ts';
import { parseUsage } from '../metering/measure.ts';
import { QUANTITIES, type Quantities } from '../tariff/quantities.ts';
import type { ExportedRow, ExportFilter } from './receipt-queries.ts';
import { proofText, type ReceiptReader, showReceipt } from './receipts.ts';

/** A period of receipts for people and programs outside: rows for an accountant, proofs for an auditor. */

export interface Period {
  /** Epoch ms, inclusive. */
  readonly from: number;
  /** Epoch ms, exclusive. */
  readonly to: number;
  readonly account?: string | undefined;
}

/** A receipt as others read it. Amounts are exact decimal numbers of AIMX, times ISO 8601 in UTC. */
export interface ExportedReceipt {
  readonly place: string;
  readonly time: string;
  readonly account: string;
  readonly model: string;
  readonly requestId: string;
  readonly quantities: Quantities;
  readonly amount: string;
  /** Total of the account's channel after it. */
  readonly cumulative: string;
  readonly hash: string;
  /** OPEN (in no batch yet), SEALED, SIGNED, SENT, MINED or FINAL. */
  readonly state: string;
  readonly device: string;
  readonly chainId: number;
  readonly transaction: string | null;
}

const PAGE = 500;

/** Receipts of a period, oldest first, read page by page: any number of them fits. */
export async function* exportReceipts(
  reader: ReceiptReader,
  period: Period,
): AsyncGenerator<ExportedReceipt> {
  let after: ExportFilter['after'];
  for (;;) {
    const rows = await reader.query<ExportedRow[]>('billing.exported', {
      from: period.from,
      to: period.to,
      limit: PAGE,
      ...(period.account === undefined ? {} : { account: period.account }),
      ...(after ? { after } : {}),
    } satisfies ExportFilter);
    for (const row of rows) yield exportedReceipt(row);
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = { book: last.book, ordinal: last.ordinal };
  }
}

function exportedReceipt(row: ExportedRow): ExportedReceipt {
  const { name, version } = JSON.parse(row.model) as { name: string; version: string };
  return {
    place: `${row.book}:${row.ordinal}`,
    time: new Date(row.started_at).toISOString(),
    account: row.account,
    model: `${name}@${version}`,
    requestId: row.request_id,
    quantities: parseUsage(row.usage).used,
    amount: aimx(row.amount),
    cumulative: aimx(row.cumulative),
    hash: toHex(row.hash),
    state: row.state ?? 'OPEN',
    device: row.device,
    chainId: row.chain_id,
    transaction: row.tx && toHex(row.tx),
  };
}

const PLAIN = ['place', 'time', 'account', 'model', 'requestId'] as const;
const LAST = ['amount', 'cumulative', 'hash', 'state', 'device', 'chainId', 'transaction'] as const;

/** First line of the CSV form (RFC 4180). */
export const csvHeader = (): string => csvLine([...PLAIN, ...QUANTITIES, ...LAST]);

export function csvRow(receipt: ExportedReceipt): string {
  return csvLine([
    ...PLAIN.map((name) => receipt[name]),
    ...QUANTITIES.map((name) => receipt.quantities[name] ?? 0),
    ...LAST.map((name) => receipt[name] ?? ''),
  ]);
}

/** A spreadsheet takes a cell that begins like this for a formula: names come from outside. */
const FORMULA = /^[=+\-@\t\r]/;

function csvLine(cells: readonly (string | number)[]): string {
  const texts = cells.map((cell) => {
    if (typeof cell === 'number') return String(cell);
    const safe = FORMULA.test(cell) ? `'${cell}` : cell;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${texts.join(',')}\r\n`;
}

/** The proof of each receipt of a period, one line each: what `receipts verify FILE` checks as a whole. */
export async function* exportProofs(reader: ReceiptReader, period: Period): AsyncGenerator<string> {
  for await (const { place } of exportReceipts(reader, period))
    yield proofText((await showReceipt(reader, place)).proof);
}

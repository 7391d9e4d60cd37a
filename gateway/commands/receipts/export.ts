import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  csvHeader,
  csvRow,
  exportProofs,
  exportReceipts,
  type Period,
} from '../../billing/receipts/export.ts';
import type { ReceiptReader } from '../../billing/receipts/receipts.ts';
import { Statement } from '../../billing/receipts/statement.ts';
import { GatewayError } from '../../errors.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import { withReader } from './reader.ts';

type Format = (reader: ReceiptReader, period: Period, gateway: string) => AsyncIterable<string>;

const FORMATS: Readonly<Record<string, Format>> = {
  async *csv(reader, period) {
    yield csvHeader();
    for await (const receipt of exportReceipts(reader, period)) yield csvRow(receipt);
  },
  async *json(reader, period) {
    for await (const receipt of exportReceipts(reader, period)) yield `${JSON.stringify(receipt)}\n`;
  },
  async *html(reader, period, gateway) {
    const statement = new Statement(period);
    for await (const receipt of exportReceipts(reader, period)) statement.add(receipt);
    yield statement.page(gateway);
  },
  proofs: (reader, period) => exportProofs(reader, period),
};

/** `receipts export`: a period as CSV, JSON lines, a statement or proofs. */
export async function exportPeriod(context: CommandContext): Promise<ExitCode> {
  const name = context.option('format') ?? 'csv';
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (!format) throw wrong('--format', name, Object.keys(FORMATS).join(', '));
  const period = periodOf(context, Date.now());
  const { config } = context.config({ quiet: true, checkFiles: false });
  const out = context.option('out');
  return withReader(context, async (reader): Promise<ExitCode> => {
    const texts = format(reader, period, config.gateway.name);
    if (out === undefined) for await (const text of texts) context.ui.out(text.replace(/\r?\n$/, ''));
    else {
      const file = resolve(out);
      await pipeline(Readable.from(texts), createWriteStream(file, { flags: 'w', mode: 0o600 }));
      context.ui.note(`written to ${file}`);
    }
    return 0;
  });
}

const DAY = 86_400_000;

/** The month or days that were asked for, else the month of `now`. Throws USAGE. */
export function periodOf(context: Pick<CommandContext, 'option'>, now: number): Period {
  const account = context.option('account');
  const [month, from, to] = ['month', 'from', 'to'].map((name) => context.option(name));
  if (from !== undefined || to !== undefined) {
    if (month !== undefined) throw wrong('--month', month, 'either --month, or --from and --to');
    const first = from === undefined ? 0 : dayOf('--from', from);
    const end = (to === undefined ? now : dayOf('--to', to)) + DAY;
    if (end <= first) throw wrong('--to', to, `a day from ${from} on`);
    return { from: first, to: end, account };
  }
  const text = month ?? new Date(now).toISOString().slice(0, 7);
  const start = /^\d{4}-(0[1-9]|1[0-2])$/.test(text) ? Date.parse(`${text}-01T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(start)) throw wrong('--month', month, 'a month such as 2026-11');
  const date = new Date(start);
  return { from: start, to: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1), account };
}

function dayOf(option: string, text: string): number {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(time)) throw wrong(option, text, 'a day such as 2026-11-22');
  return time;
}

const wrong = (option: string, received: string | undefined, expected: string): GatewayError =>
  new GatewayError('USAGE', `${option} cannot be ${received}`, { received, expected });

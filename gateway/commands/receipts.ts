import { existsSync, readFileSync } from 'node:fs';
import {
  type BooksRow,
  listReceipts,
  oldestKept,
  proofText,
  type ReceiptProof,
  receiptTotals,
  showReceipt,
  type Verdict,
  verifyProof,
} from '../billing/receipts/receipts.ts';
import { batchOf } from '../billing/receipts/verify-export.ts';
import { GatewayError } from '../errors.ts';
import type { Command, ExitCode } from './command.ts';
import { exportPeriod } from './receipts/export.ts';
import { lookOnChain, onChainText } from './receipts/on-chain.ts';
import { withReader } from './receipts/reader.ts';
import { isExport, verifyFile } from './receipts/verify-file.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { count, instant } from './ui/format.ts';
import { table } from './ui/table.ts';

/** `receipts list|show|verify|export`: what was billed, with proofs. */
export const receipts: Command = {
  name: 'receipts',
  summary: 'what was billed: list, show, verify, export',
  usage: [
    'receipts list [--account A] [--limit N]',
    'receipts show ID [--proof]',
    'receipts verify ID|FILE [--rpc URL]',
    'receipts export [--month 2026-11 | --from DAY --to DAY] [--account A] [--format csv|json|html|proofs] [--out FILE]',
  ],
  help: `
ID is the request id or the place (book:ordinal) that the list shows. With --proof, show prints the receipt's proof: one
line of JSON that anyone can check with verify, offline and without this gateway's database.
verify exits 0 when the proof is valid, 1 when it is not, 2 when its batch is not final yet; with --rpc it also asks a node of the
chain whether the ledger has the batch. Works with the gateway
running or stopped.

export writes a period, the running month by default: csv and json (one receipt a line) for an accountant, html as a statement
to read and print, proofs for an auditor: verify checks such a file as a whole, that no receipt is false or missing. DAY is
2026-11-22, in UTC; --to is the last day. Without --out it goes to standard output.`,
  options: {
    account: { type: 'string' },
    limit: { type: 'string' },
    proof: { type: 'boolean' },
    month: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    format: { type: 'string' },
    out: { type: 'string' },
    rpc: { type: 'string' },
  },
  run: (context) => runSubcommand('receipts', context, { list, show, verify, export: exportPeriod }),
};

const list: Subcommand = (context) =>
  withReader(context, async (reader): Promise<ExitCode> => {
    const account = context.option('account');
    const limit = limitOf(context.option('limit'));
    const rows = await listReceipts(reader, { limit, ...(account === undefined ? {} : { account }) });
    const totals = await receiptTotals(reader);
    context.print({ receipts: rows, totals }, () =>
      [
        table(rows, [
          { title: 'PLACE', value: (r) => r.place },
          { title: 'TIME', value: (r) => instant(r.startedAt) },
          { title: 'ACCOUNT', value: (r) => r.account },
          { title: 'MODEL', value: (r) => r.model },
          { title: 'AIMX', value: (r) => r.amount, align: 'right' },
          { title: 'STATE', value: (r) => r.state },
          { title: 'REQUEST', value: (r) => r.requestId },
        ]),
        '',
        keptText(totals),
      ].join('\n'),
    );
    return 0;
  });

/** How many there are, and plainly whether older ones are gone. */
function keptText(totals: readonly BooksRow[]): string {
  const sum = (pick: (book: BooksRow) => number) => totals.reduce((all, book) => all + pick(book), 0);
  const [made, removed] = [sum((book) => book.receipts), sum((book) => book.pruned)];
  const all = `${count(made)} receipts in all`;
  if (removed === 0) return all;
  const since = oldestKept(totals);
  const kept = `${count(made - removed)} are kept${since === null ? '' : `, since ${instant(since)}`}`;
  return `${all}; ${kept}. Older ones were removed (billing.keep, billing.maxBytes); the totals count them.`;
}

function limitOf(text: string | undefined): number {
  const limit = Number(text ?? '20');
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new GatewayError('USAGE', '--limit takes a whole number', { received: text, expected: '1 to 1000' });
}

const show: Subcommand = (context, words) =>
  withReader(context, async (reader): Promise<ExitCode> => {
    const receipt = await showReceipt(reader, theWord(words, 'receipts show ID'));
    if (context.flag('proof')) {
      context.ui.out(proofText(receipt.proof).trimEnd());
      return 0;
    }
    const { batch } = receipt;
    context.print(receipt, () =>
      [
        `receipt   ${receipt.place}  ${receipt.hash}`,
        `request   ${receipt.requestId}`,
        `account   ${receipt.account}, number ${receipt.seq} of channel ${receipt.channelId}`,
        `model     ${receipt.model.name}@${receipt.model.version}  ${receipt.model.sha256}`,
        `time      ${instant(receipt.startedAt)}, ${receipt.computeUs} µs`,
        `usage     ${Object.entries(receipt.usage)
          .map(([name, n]) => `${name} ${n}`)
          .join(', ')}`,
        `amount    ${receipt.amount} AIMX, ${receipt.cumulative} in all`,
        `batch     ${batch ? `${batch.id}, ${batch.state}, ${batch.receipts} receipts, root ${batch.root}` : 'none yet'}`,
        `chain     ${batch?.tx ? `${batch.tx} in block ${batch.block ?? 'pending'} of chain ${receipt.ledger.chainId}` : 'not posted yet'}`,
        `proof     ${verdictText(receipt.verdict)}`,
      ].join('\n'),
    );
    return 0;
  });

const verify: Subcommand = async (context, words) => {
  const target = theWord(words, 'receipts verify ID|FILE');
  if (existsSync(target) && isExport(target)) return verifyFile(context, target);
  const stored = existsSync(target)
    ? undefined
    : await withReader(context, (reader) => showReceipt(reader, target));
  const text = stored ? proofText(stored.proof) : readFileSync(target, 'utf8');
  const verdict = stored?.verdict ?? verifyProof(text);
  const rpc = context.option('rpc');
  const batch = verdict.kind === 'valid' ? batchOf(JSON.parse(text) as ReceiptProof) : undefined;
  const chain = rpc && batch ? await lookOnChain(rpc, [batch]) : undefined;
  const { green, red, yellow } = context.ui.style;
  const kind = chain?.missing ? 'invalid' : verdict.kind;
  const paint = { valid: green, invalid: red, incomplete: yellow }[kind];
  context.print({ ...verdict, kind, ...(chain ? { chain } : {}) }, () =>
    paint([verdictText(verdict), ...(chain ? [onChainText(chain)] : [])].join('\n')),
  );
  return ({ valid: 0, invalid: 1, incomplete: 2 } as const)[kind];
};

function verdictText(verdict: Verdict): string {
  if (verdict.kind === 'valid') return `valid: receipt ${verdict.receiptHash} under root ${verdict.root}`;
  return `${verdict.kind}: ${verdict.reason}`;
}

import { createAnchorChains, createLedgerChain } from '../../../adapters/registry.ts';
import type { ChannelRecord } from '../../billing/channels/channel-queries.ts';
import { NO_ESCROW, parseEscrow } from '../../billing/channels/rows.ts';
import { aimx, parseAimx } from '../../billing/formats/amount.ts';
import { toHex } from '../../billing/formats/bytes.ts';
import { readStatement } from '../../billing/formats/wire.ts';
import { feeOf } from '../../billing/posting/payout-rules.ts';
import type { LedgerRow } from '../../billing/receipts/ledger-query.ts';
import type { ReceiptReader } from '../../billing/receipts/receipts.ts';
import type { Config } from '../../config/schema.ts';
import { durationText } from '../../config/units.ts';
import type { Chain, ChainAnswer, ChainView } from '../../ports/chain.ts';
import type { ExitCode } from '../command.ts';
import { withReader } from '../receipts/reader.ts';
import type { Subcommand } from '../subcommands.ts';
import { ago, count, instant } from '../ui/format.ts';

const DAY_MS = 86_400_000;
/** Gas of a post that settles one channel. */
const POST_GAS = 75_000;
/** Channels listed by name; the sums are over all. */
const LISTED = 20;

/** What there is to say about one book. */
interface Book {
  readonly row: LedgerRow;
  readonly view: ChainAnswer<ChainView> | undefined;
  readonly channels: readonly ChannelLine[];
}

interface ChannelLine {
  readonly channelId: string;
  readonly receipts: number;
  readonly cumulative: string;
  readonly acknowledged: string;
  readonly paid: string;
  readonly held: string;
  readonly balance: string;
  readonly thawing: string;
  readonly ceiling: string | null;
  /** Epoch ms; 0: never. */
  readonly seenAt: number;
}

/** `ledger status`: what was made, posted and paid, what waits and why, what it has cost. */
export const status: Subcommand = (context) =>
  withReader(context, async (reader): Promise<ExitCode> => {
    const { config } = context.config({ quiet: true, checkFiles: false });
    const rows = await reader.query<LedgerRow[]>('billing.ledger', { since: Date.now() - DAY_MS });
    const home = createLedgerChain(config);
    const chains = [...(home ? [home] : []), ...createAnchorChains(config)];
    try {
      const books = await Promise.all(rows.map((row) => bookOf(row, reader, chains)));
      const data = books.map(({ row, view, channels }) => ({ ...row, chain: chainData(view), channels }));
      context.print(data, () =>
        books.length === 0
          ? 'Nothing has been billed yet.'
          : books.map((book) => bookText(book, config)).join('\n\n'),
      );
    } finally {
      for (const chain of chains) chain.close();
    }
    return 0;
  });

async function bookOf(row: LedgerRow, reader: ReceiptReader, chains: readonly Chain[]): Promise<Book> {
  const chain = chains.find((one) => one.chainId === row.chain_id && one.ledger === row.ledger);
  const view = await chain?.view(row.device);
  const book = { chainId: row.chain_id, address: row.ledger, device: row.device };
  const found = await reader.query<{ channels: ChannelRecord[] } | null>('billing.customers', { book });
  return { row, view, channels: (found?.channels ?? []).map(lineOf) };
}

function lineOf(record: ChannelRecord): ChannelLine {
  const latest = record.latest === null ? NO_ESCROW : parseEscrow(record.latest);
  const ack = record.ack === null ? undefined : readStatement(JSON.parse(record.ack), 'ack');
  const ceiling =
    record.ceiling === null ? undefined : (JSON.parse(record.ceiling) as { maxCumulative: string });
  return {
    channelId: toHex(record.channel_id),
    ...{ receipts: record.seq, cumulative: record.cumulative, acknowledged: String(ack?.cumulative ?? 0n) },
    ...{ paid: String(latest.paid), held: String(latest.held), balance: String(latest.balance) },
    ...{ thawing: String(latest.thawing), ceiling: ceiling?.maxCumulative ?? null, seenAt: record.seen_at },
  };
}

function chainData(view: ChainAnswer<ChainView> | undefined): object | null {
  if (!view) return null;
  if (!view.ok) return { ok: false, code: view.code, reason: view.reason };
  const { block, head, nonce, baseFee, tip, coins } = view.value;
  return {
    ...{ ok: true, block, posted: head.toSeq, nonce, baseFee: String(baseFee), tip: String(tip) },
    ...(coins === undefined ? {} : { coins: String(coins) }),
  };
}

function bookText(book: Book, config: Config): string {
  const { row, view } = book;
  const waiting = row.receipts - row.posted;
  const where = row.chain_id === 0 ? 'no chain' : `ledger ${row.ledger} on chain ${row.chain_id}`;
  const since = row.oldest === null ? '' : `, the oldest for ${ago(Date.now() - row.oldest)}`;
  const budget = config.billing?.fees.dailyBudget;
  return [
    `device    ${row.device}, ${where}`,
    `receipts  ${count(row.receipts)} made, ${count(row.posted)} posted, ${count(row.final)} final`,
    `waiting   ${waiting === 0 ? 'none' : `${count(waiting)}${since}: ${whyWaiting(book, config)}`}`,
    `fees      ${count(row.transactions)} transactions, ${count(row.gas)} gas, ${aimx(row.fees)} of the chain's coin; ${aimx(row.recentFees)} in 24 hours${budget === undefined ? '' : ` of ${budget}`}`,
    `chain     ${chainText(view)}`,
    ...channelText(book.channels),
  ].join('\n');
}

function whyWaiting({ row, view, channels }: Book, config: Config): string {
  if (row.chain_id === 0) return 'the configuration names no chain; they are kept here';
  if (!view) return 'the configuration names another chain or ledger now';
  if (!view.ok) return `the chain cannot be used: ${view.reason}`;
  if (row.state !== null) return `a batch is ${row.state.toLowerCase()}`;
  const { batch, fees } = config.billing!;
  const due = row.oldest === null ? '' : `, at the latest ${instant(row.oldest + batch.maxAge)}`;
  if (fees.coinPrice !== undefined) {
    const { baseFee, tip } = view.value;
    const rules = { coinPrice: parseAimx(fees.coinPrice), sharePpm: 0n, dailyBudget: undefined };
    const fee = feeOf(POST_GAS, baseFee + tip, rules);
    const settles = channels.reduce((sum, channel) => sum + settled(channel), 0n);
    return `a batch goes out when its fee (${aimx(String(fee))} AIMX now) is at most ${fees.share * 100} % of what it settles (${aimx(String(settles))} AIMX)${due}`;
  }
  const idle = batch.idle ? `, or ${durationText(batch.idle)} after the last` : '';
  return `a batch goes out at ${count(batch.maxReceipts)} receipts${idle}${due}`;
}

/** What an acknowledgement pays. */
function settled({ acknowledged, balance, paid }: ChannelLine): bigint {
  const to = BigInt(acknowledged) < BigInt(balance) ? BigInt(acknowledged) : BigInt(balance);
  return to > BigInt(paid) ? to - BigInt(paid) : 0n;
}

function channelText(channels: readonly ChannelLine[]): string[] {
  if (channels.length === 0) return [];
  const sum = (pick: (channel: ChannelLine) => bigint): string =>
    aimx(String(channels.reduce((total, channel) => total + pick(channel), 0n)));
  const open = (a: string, b: string): bigint => (BigInt(a) > BigInt(b) ? BigInt(a) - BigInt(b) : 0n);
  const paid = sum((channel) => BigInt(channel.paid));
  const billed = sum((channel) => BigInt(channel.cumulative));
  const risk = sum((c) =>
    open(c.cumulative, BigInt(c.acknowledged) > BigInt(c.paid) ? c.acknowledged : c.paid),
  );
  return [
    `channels  ${count(channels.length)} with customers: ${billed} AIMX billed, ${paid} paid, ${sum(settled)} acknowledged and not settled, ${risk} not acknowledged`,
    ...channels.slice(0, LISTED).map((channel) => {
      const { channelId, receipts, cumulative, balance, thawing, held, seenAt, ceiling } = channel;
      const notes = [
        ...(BigInt(thawing) > 0n ? [`${aimx(thawing)} thawing`] : []),
        ...(BigInt(held) > BigInt(channel.paid) ? [`${aimx(held)} claimed`] : []),
        seenAt === 0 ? 'never seen on the ledger' : `seen ${ago(Date.now() - seenAt)} ago`,
      ];
      return `  ${channelId}: ${count(receipts)} receipts, ${aimx(cumulative)} of ${ceiling === null ? 'no ceiling' : `at most ${aimx(ceiling)}`}, deposit ${aimx(balance)}; ${notes.join(', ')}`;
    }),
    ...(channels.length > LISTED ? [`  and ${count(channels.length - LISTED)} more (--json)`] : []),
  ];
}

function chainText(view: ChainAnswer<ChainView> | undefined): string {
  if (!view) return 'not asked';
  if (!view.ok) return `${view.code}: ${view.reason}`;
  const { block, head, baseFee, tip, coins } = view.value;
  const funds = coins === undefined ? '' : `; ${aimx(String(coins))} coins for fees`;
  return `block ${count(block)} has ${count(head.toSeq)} receipts of this device; ${gwei(baseFee + tip)} gwei a gas now${funds}`;
}

const gwei = (wei: bigint): string => String(Number((Number(wei) / 1e9).toPrecision(3)));

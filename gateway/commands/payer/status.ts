import { toHex } from '../../billing/formats/bytes.ts';
import { listPayments } from '../../payer/books/payments.ts';
import { countOpen } from '../../payer/books/requests.ts';
import { bytesUsed } from '../../payer/books/retention.ts';
import {
  type Books,
  listChannels,
  listIncidents,
  type PayerChannel,
  watchChannel,
} from '../../payer/index.ts';
import { roomFor } from '../../payer/signing.ts';
import { priceOf } from '../../payer/window.ts';
import type { CommandContext } from '../command.ts';
import type { Subcommand } from '../subcommands.ts';
import { ago, instant, size } from '../ui/format.ts';
import { chooseChannel, escrowOf, money, withBooks } from './shared.ts';

/** `payer status [CHANNEL] [--chain]`: exit code 1 where a channel is stopped. */
export const status: Subcommand = (context, words) =>
  withBooks(context, async (books) => {
    const chosen = words[0] === undefined ? listChannels(books) : [chooseChannel(books, words[0])];
    const looks: Record<string, object> = {};
    if (context.flag('chain'))
      for (const channel of chosen) looks[toHex(channel.id)] = await look(context, books, channel);
    const channels = (words[0] === undefined ? listChannels(books) : [chooseChannel(books, words[0])]).map(
      (channel) => ({ ...dataOf(books, channel), ...looks[toHex(channel.id)] }),
    );
    const incidents = listIncidents(books, 5).map(({ channel, at, code, message }) => ({
      ...{ channel: channel && toHex(channel), at, code, message },
    }));
    const data = { channels, incidents, bytes: bytesUsed(books) };
    context.print(data, () =>
      [
        ...(channels.length === 0 ? ['No channels yet: aimx-gateway payer open'] : channels.map(text)),
        ...incidents.map(({ at, message }) => `${instant(at)}  ${message}`),
        `books ${size(data.bytes)}`,
      ].join('\n\n'),
    );
    return channels.some(({ refusal }) => refusal !== null) ? 1 : 0;
  });

async function look(context: CommandContext, books: Books, channel: PayerChannel): Promise<object> {
  const escrow = escrowOf(context, books, channel);
  if (!escrow) return { chain: 'not known: --rpc URL' };
  try {
    const watched = await watchChannel(books, escrow, channel.id, Date.now());
    if (!watched.ok) return { chain: watched.reason };
    const { view, claim } = watched.value;
    return {
      chain: `block ${view.block}`,
      wallet: { tokens: money(view.tokens), coins: money(view.coins) },
      bond: money(view.bond),
      claim,
      held: money(view.channel.held),
      thawing: money(view.channel.thawing),
      thawAt: view.channel.thawAt,
    };
  } finally {
    escrow.close();
  }
}

function dataOf(books: Books, channel: PayerChannel) {
  const room = roomFor(books, channel, Date.now());
  const [payment] = listPayments(books, channel.id, 1);
  return {
    channel: toHex(channel.id),
    gateway: channel.gateway,
    ...{ provider: channel.terms.provider, device: channel.terms.device },
    receipts: channel.seq,
    cumulative: money(channel.cumulative),
    acknowledged: { seq: channel.ackedSeq, cumulative: money(channel.ackedCumulative) },
    ceiling: { maxCumulative: money(channel.ceiling), validUntil: channel.ceilingUntil },
    escrow: { balance: money(channel.balance), paid: money(channel.paid), seenAt: channel.lookedAt ?? null },
    mayCommit: room.left === undefined ? null : money(room.left),
    inferencePrice: money(priceOf(books, channel.id, Date.now())),
    openRequests: countOpen(books, channel.id),
    payment: payment ? { key: payment.key, state: payment.state, reason: payment.reason ?? null } : null,
    refusal: channel.refusal ?? null,
  };
}

function text(data: ReturnType<typeof dataOf> & Record<string, unknown>): string {
  const { acknowledged, ceiling, escrow, refusal, payment } = data;
  const lines = [
    `channel   ${data.channel}, at ${data.gateway}`,
    `receipts  ${data.receipts} checked for ${data.cumulative} AIMX, ${acknowledged.seq} acknowledged`,
    `ceiling   ${ceiling.maxCumulative} AIMX${ceiling.validUntil ? `, until ${instant(ceiling.validUntil * 1000)}` : ''}`,
    `escrow    ${escrow.balance} AIMX, ${escrow.paid} paid${escrow.seenAt === null ? ', never seen' : `, seen ${ago(Date.now() - escrow.seenAt)} ago`}`,
  ];
  if (data.mayCommit !== null) lines.push(`limits    ${data.mayCommit} AIMX more may be signed`);
  if (data.openRequests > 0) lines.push(`requests  ${data.openRequests} without an answer`);
  if (payment)
    lines.push(`payment   ${payment.key}: ${payment.state}${payment.reason ? `, ${payment.reason}` : ''}`);
  if (typeof data.chain === 'string')
    lines.push(`chain     ${data.chain}${data.claim ? `, claim: ${String(data.claim)}` : ''}`);
  if (refusal) lines.push(`STOPPED   ${refusal.message} (${instant(refusal.at)})`);
  return lines.join('\n');
}

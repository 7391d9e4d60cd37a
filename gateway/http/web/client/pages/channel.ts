import { h, type JSX } from 'preact';
import { withQuery } from '../lib/api.ts';
import { dateTime, duration, number, shortHash, units } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { ChannelReceipt, ChannelView } from '../types.ts';
import { Card, Code, Empty, Facts, Loading, Notice, Page, Problem } from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useQuery } from '../ui/use.ts';
import { ChannelState, Covered } from './channels.ts';

const SHOWN = 20;

/** One channel: its terms, what is deposited, allowed, acknowledged and owed. */
export function ChannelPage({ id }: { readonly id: string }): JSX.Element {
  const path = `/api/v1/channels/${encodeURIComponent(id)}`;
  const { data, error } = useQuery<ChannelView>(path, 4000);
  const from = data ? Math.max(1, Number(data.newest.seq) - SHOWN + 1) : 1;
  const receipts = useQuery<ChannelReceipt[]>(
    data && data.newest.seq !== '0' ? withQuery(`${path}/receipts`, { from, limit: SHOWN }) : null,
  );
  return h(
    Page,
    {
      title: t('channels.title', { id: shortHash(id) }),
      above: [href('channels'), t('nav.channels')],
      lead: data && [h(ChannelState, { channel: data }), ' ', t('receipts.chain', { id: data.chainId })],
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        data.state === 'stopped' && h(Notice, { tone: 'warn' }, h('p', null, data.bound.message)),
        h('div', { class: 'columns' }, h(Owed, { channel: data }), h(Terms, { channel: data })),
        h(
          Card,
          { title: t('nav.receipts'), flush: true },
          receipts.data === undefined || receipts.data.length === 0
            ? h(Empty, { icon: 'receipts' }, t('receipts.none'))
            : h(Table<ChannelReceipt>, {
                label: t('nav.receipts'),
                rows: [...receipts.data].reverse(),
                keyOf: ({ seq }) => seq,
                columns: [
                  { title: t('col.receipt'), show: ({ seq }) => seq },
                  { title: 'AIMX', show: ({ amount }) => units(amount), kind: 'number' },
                  {
                    title: t('receipt.cumulative'),
                    show: ({ cumulative }) => units(cumulative),
                    kind: 'number',
                  },
                  {
                    title: t('channels.hash'),
                    show: ({ hash }) => h(Code, { title: hash }, shortHash(hash)),
                    kind: 'minor',
                  },
                ],
              }),
        ),
      ),
  );
}

const Owed = ({ channel }: { channel: ChannelView }): JSX.Element => {
  const { exposure, deposit, ceiling, acknowledged, newest } = channel;
  const aimx = (text: string): string => `${units(text)} AIMX`;
  return h(
    Card,
    { title: t('channels.owed') },
    h(Covered, { channel }),
    h(Facts, {
      of: [
        [
          t('channels.billed'),
          `${aimx(newest.cumulative)} · ${t('channels.receipts', { count: newest.seq })}`,
        ],
        [t('channels.paid'), aimx(deposit.paid)],
        [t('channels.unpaid'), aimx(exposure.unpaid)],
        [t('channels.unacknowledged'), aimx(exposure.unacknowledged)],
        [t('channels.left'), aimx(exposure.left)],
        [t('channels.deposit'), aimx(deposit.balance)],
        deposit.thawing === '0'
          ? null
          : [
              t('channels.thawing'),
              t('channels.thawing.at', {
                amount: aimx(deposit.thawing),
                time: dateTime(Number(deposit.thawAt) * 1000),
              }),
            ],
        [
          t('channels.ceiling'),
          ceiling
            ? t('channels.ceiling.until', {
                amount: aimx(ceiling.maxCumulative),
                time: dateTime(Number(ceiling.validUntil) * 1000),
              })
            : '–',
        ],
        [
          t('channels.acknowledged'),
          acknowledged
            ? t('channels.acknowledged.to', { seq: acknowledged.seq, amount: aimx(acknowledged.cumulative) })
            : '–',
        ],
        [t('channels.in-flight'), number(exposure.inFlight)],
      ],
    }),
  );
};

const Terms = ({ channel }: { channel: ChannelView }): JSX.Element =>
  h(
    Card,
    { title: t('channels.terms') },
    h(Facts, {
      of: [
        [t('receipt.channel'), h(Code, {}, channel.channelId)],
        [t('channels.payer'), h(Code, {}, channel.config.payer)],
        [t('channels.signer'), h(Code, {}, channel.config.payerSigner)],
        [t('channels.provider'), h(Code, {}, channel.config.provider)],
        [t('proof.device'), h(Code, {}, channel.config.device)],
        [t('proof.ledger'), h(Code, {}, channel.ledger)],
        [t('channels.withdraw'), duration(channel.config.withdrawDelay * 1000)],
        [t('channels.dispute'), duration(channel.config.disputeWindow * 1000)],
      ],
    }),
  );

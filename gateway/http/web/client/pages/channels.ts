import { h, type JSX } from 'preact';
import { number, shortHash, tokens } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { ChannelView } from '../types.ts';
import { Badge, Card, Code, Empty, Figure, Figures, Loading, Meter, Page, Problem } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { ChannelPage } from './channel.ts';

export const ChannelsPage = ({ route }: { readonly route: Route }): JSX.Element =>
  route.rest[0] === undefined ? h(List, {}) : h(ChannelPage, { id: route.rest[0] });

/** Customers that pay out of a channel: what they used, and how much of it is covered. */
function List(): JSX.Element {
  const { data, error } = useQuery<ChannelView[]>('/api/v1/channels', 4000);
  return h(
    Page,
    { title: t('nav.channels'), lead: t('channels.lead') },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 && h(Empty, { icon: 'channels' }, t('channels.none')),
    h(
      'div',
      { class: 'grid wide' },
      data?.map((channel) => h(Tile, { key: channel.channelId, channel })),
    ),
  );
}

export const ChannelState = ({ channel }: { channel: ChannelView }): JSX.Element =>
  channel.state === 'open'
    ? h(Badge, { tone: 'good' }, t('channels.open'))
    : h(Badge, { tone: 'bad' }, t('channels.stopped'));

/** How much of the bound is used up. */
export const Covered = ({ channel }: { channel: ChannelView }): JSX.Element => {
  const upTo = BigInt(channel.bound.upTo);
  const used = BigInt(channel.newest.cumulative);
  const share = upTo === 0n ? 1 : Number((used * 1000n) / upTo) / 1000;
  return h(
    'div',
    { class: 'labelled' },
    h(
      'span',
      { class: 'soft' },
      t('channels.covered', { used: tokens(String(used)), upTo: tokens(String(upTo)) }),
    ),
    h(Meter, { share, label: t('channels.used'), tone: share >= 1 ? 'bad' : share > 0.8 ? 'warn' : 'info' }),
  );
};

const Tile = ({ channel }: { channel: ChannelView }): JSX.Element =>
  h(
    Card,
    {
      title: h(
        'a',
        { href: href('channels', channel.channelId) },
        h(Code, { title: channel.channelId }, shortHash(channel.channelId)),
      ),
      note: h(ChannelState, { channel }),
    },
    h(
      Figures,
      {},
      h(Figure, {
        label: t('channels.billed'),
        value: tokens(channel.newest.cumulative),
        unit: 'AIMX',
        note: t('channels.receipts', { count: number(Number(channel.newest.seq)) }),
      }),
      h(Figure, { label: t('channels.unpaid'), value: tokens(channel.exposure.unpaid), unit: 'AIMX' }),
      h(Figure, { label: t('channels.left'), value: tokens(channel.exposure.left), unit: 'AIMX' }),
    ),
    h(Covered, { channel }),
    channel.state === 'stopped' && h('p', { class: 'small' }, channel.bound.message),
  );

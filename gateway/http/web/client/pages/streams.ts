import { h, type JSX } from 'preact';
import { bytes, measure, number, unitText } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { PlotView, StreamDetail } from '../types.ts';
import { colours, Mini } from '../ui/mini.ts';
import { Ago, Badge, Empty, Loading, Page, Problem } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { StreamPage } from './stream.ts';

export const StreamsPage = ({ route }: { readonly route: Route }): JSX.Element =>
  route.rest[0] === undefined ? h(List, {}) : h(StreamPage, { id: route.rest[0], query: route.query });

function List(): JSX.Element {
  const streams = useQuery<StreamDetail[]>('/api/v1/streams', 3000);
  const plots = useQuery<PlotView[]>('/api/v1/plots', 3000);
  return h(
    Page,
    { title: t('nav.streams'), lead: t('streams.lead') },
    h(Problem, { error: streams.error }),
    !streams.data && !streams.error && h(Loading, {}),
    streams.data?.length === 0 && h(Empty, { icon: 'streams' }, t('streams.none')),
    h(
      'div',
      { class: 'grid' },
      streams.data?.map((stream) =>
        h(Tile, {
          key: stream.id,
          stream,
          plot: plots.data?.find(({ kind, id }) => kind === 'stream' && id === stream.id),
        }),
      ),
    ),
  );
}

function Tile({ stream, plot }: { stream: StreamDetail; plot: PlotView | undefined }): JSX.Element {
  const first = plot?.series[0]?.name;
  const series = plot?.series.filter(({ name }) => name === first) ?? [];
  const colour = colours(series.map(({ device }) => device));
  const unit = unitText(series[0]?.unit);
  return h(
    'a',
    { class: 'card tile', href: href('streams', stream.id) },
    h(
      'div',
      { class: 'card-head' },
      h('h2', null, stream.id),
      h('span', { class: 'rate' }, t('streams.rate', { rate: number(stream.perSecond) })),
    ),
    series.length > 0
      ? h(Mini, {
          lines: series.map((one) => ({ ...one, colour: colour.get(one.device)! })),
          label: t('streams.mini', { stream: stream.id, field: first! }),
        })
      : h('p', { class: 'mini-none soft' }, t('streams.silent')),
    h(
      'ul',
      { class: 'legend' },
      series.map((one) =>
        h(
          'li',
          { key: one.device },
          h('i', { class: `swatch ${colour.get(one.device)}`, 'aria-hidden': 'true' }),
          one.device,
          one.times.length > 0 && h('b', null, `${measure(one.values.at(-1)!)}${unit && ` ${unit}`}`),
        ),
      ),
    ),
    h(
      'p',
      { class: 'tile-foot soft' },
      h('span', null, t('streams.kept', { records: number(stream.records), size: bytes(stream.bytes) })),
      stream.rejected > 0
        ? h(Badge, { tone: 'warn' }, t('streams.rejected', { count: number(stream.rejected) }))
        : h(Ago, { at: stream.lastArrival }),
    ),
  );
}

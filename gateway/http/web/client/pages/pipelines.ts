import { h, type JSX } from 'preact';
import { milliseconds, number } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { PipelineDetail } from '../types.ts';
import { Histogram } from '../ui/histogram.ts';
import {
  Badge,
  Card,
  Empty,
  Figure,
  Figures,
  Loading,
  Meter,
  Page,
  Problem,
  type Tone,
} from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { PipelinePage } from './pipeline.ts';

export const PipelinesPage = ({ route }: { readonly route: Route }): JSX.Element =>
  route.rest[0] === undefined ? h(List, {}) : h(PipelinePage, { id: route.rest[0], query: route.query });

function List(): JSX.Element {
  const { data, error } = useQuery<PipelineDetail[]>('/api/v1/pipelines', 3000);
  return h(
    Page,
    { title: t('nav.pipelines'), lead: t('pipelines.lead') },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 && h(Empty, { icon: 'pipelines' }, t('pipelines.none')),
    h(
      'div',
      { class: 'grid wide' },
      data?.map((pipeline) => h(Tile, { key: pipeline.id, pipeline })),
    ),
  );
}

/** Where readings come from, what decides, where results go. */
export const Path = ({ pipeline }: { pipeline: PipelineDetail }): JSX.Element =>
  h(
    'p',
    { class: 'path' },
    pipeline.from.map((id) => h('a', { key: id, href: href('streams', id) }, id)),
    h('span', { 'aria-hidden': 'true' }, '→'),
    h('a', { href: href('models', pipeline.model.split('@')[0]!) }, pipeline.model),
    h('span', { 'aria-hidden': 'true' }, '→'),
    h('code', null, pipeline.publish.topic),
  );

export const Queue = ({ pipeline }: { pipeline: PipelineDetail }): JSX.Element => {
  const share = pipeline.queueMax === 0 ? 0 : pipeline.queued / pipeline.queueMax;
  const tone: Tone = share > 0.8 ? 'bad' : share > 0.4 ? 'warn' : 'info';
  return h(
    'div',
    { class: 'labelled' },
    h(
      'span',
      { class: 'soft' },
      t('pipelines.queue', { queued: number(pipeline.queued), max: number(pipeline.queueMax) }),
    ),
    h(Meter, { share, label: t('pipelines.queue.label', { pipeline: pipeline.id }), tone }),
  );
};

const Tile = ({ pipeline }: { pipeline: PipelineDetail }): JSX.Element =>
  h(
    Card,
    {
      title: h('a', { href: href('pipelines', pipeline.id) }, pipeline.id),
      note:
        pipeline.failed + pipeline.shed > 0
          ? h(
              Badge,
              { tone: 'warn' },
              t('pipelines.failed', { count: number(pipeline.failed + pipeline.shed) }),
            )
          : h(Badge, { tone: 'good' }, t('pipelines.well')),
    },
    h(Path, { pipeline }),
    h(
      Figures,
      {},
      h(Figure, { label: t('pipelines.rate'), value: number(pipeline.perSecond), unit: '/s' }),
      h(Figure, {
        label: t('pipelines.p50'),
        value: pipeline.latencyMs ? milliseconds(pipeline.latencyMs.p50) : '–',
      }),
      h(Figure, {
        label: t('pipelines.p99'),
        value: pipeline.latencyMs ? milliseconds(pipeline.latencyMs.p99) : '–',
      }),
    ),
    pipeline.latency.count > 0 &&
      h(Histogram, { of: pipeline.latency, label: t('pipelines.latency', { pipeline: pipeline.id }) }),
    h(Queue, { pipeline }),
  );

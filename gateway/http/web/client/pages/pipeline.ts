import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { withQuery } from '../lib/api.ts';
import { bytes, measure, milliseconds, number } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, setQuery } from '../lib/router.ts';
import type { PipelineDetail, PlotView, ResultPage } from '../types.ts';
import { Chart } from '../ui/chart.ts';
import { Histogram } from '../ui/histogram.ts';
import { colours } from '../ui/mini.ts';
import {
  Ago,
  Badge,
  Button,
  Card,
  Empty,
  Facts,
  Figure,
  Figures,
  Loading,
  Page,
  Problem,
} from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useQuery } from '../ui/use.ts';
import { Path, Queue } from './pipelines.ts';

type Result = ResultPage['results'][number];

/** One pipeline: how fast it decides, what waits, and what it decided. */
export function PipelinePage({
  id,
  query,
}: {
  readonly id: string;
  readonly query: URLSearchParams;
}): JSX.Element {
  const { data, error } = useQuery<PipelineDetail[]>('/api/v1/pipelines', 3000);
  const pipeline = data?.find((one) => one.id === id);
  const notable = query.get('notable') === 'true';
  return h(
    Page,
    { title: id, above: [href('pipelines'), t('nav.pipelines')], lead: pipeline && h(Path, { pipeline }) },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data && !pipeline && h(Empty, {}, t('not-found', { name: id })),
    pipeline &&
      h(
        'div',
        { class: 'stack' },
        h('div', { class: 'columns' }, h(Speed, { pipeline }), h(Counts, { pipeline })),
        h(Outputs, { id }),
        h(Results, { id, notable }),
      ),
  );
}

const Speed = ({ pipeline }: { pipeline: PipelineDetail }): JSX.Element =>
  h(
    Card,
    { title: t('pipelines.speed'), note: t('pipelines.speed.note') },
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

const Counts = ({ pipeline }: { pipeline: PipelineDetail }): JSX.Element =>
  h(
    Card,
    { title: t('pipelines.counts') },
    h(Facts, {
      of: [
        [t('pipelines.results'), number(pipeline.results)],
        [
          t('pipelines.published'),
          t('pipelines.published.of', {
            published: number(pipeline.published),
            filtered: number(pipeline.filtered),
          }),
        ],
        [
          t('pipelines.when'),
          pipeline.publish.when ? h('code', null, pipeline.publish.when) : t('pipelines.always'),
        ],
        [t('pipelines.pending'), number(pipeline.pending)],
        [
          t('pipelines.keys'),
          t('pipelines.keys.of', { keys: number(pipeline.keys), size: bytes(pipeline.stateBytes) }),
        ],
        [
          t('pipelines.bad'),
          t('pipelines.bad.of', {
            failed: number(pipeline.failed),
            shed: number(pipeline.shed),
            late: number(pipeline.late),
          }),
        ],
      ],
    }),
  );

/** Numbers among the outputs over time. */
function Outputs({ id }: { id: string }): JSX.Element | null {
  const plot = useQuery<PlotView[]>('/api/v1/plots', 3000).data?.find(
    (one) => one.kind === 'pipeline' && one.id === id,
  );
  const fields = Map.groupBy(plot?.series.filter(({ times }) => times.length > 1) ?? [], ({ name }) => name);
  const first = fields.has('score') ? 'score' : fields.keys().next().value;
  const [chosen, choose] = useState<string | undefined>(undefined);
  const name = chosen !== undefined && fields.has(chosen) ? chosen : first;
  if (name === undefined) return null;
  const series = fields.get(name)!;
  const colour = colours(series.map(({ device }) => device));
  return h(
    Card,
    {
      title: t('pipelines.outputs'),
      note: h(
        'div',
        { class: 'segments', role: 'group', 'aria-label': t('pipelines.outputs') },
        [...fields.keys()].map((one) =>
          h(
            'button',
            { key: one, type: 'button', 'aria-pressed': one === name, onClick: () => choose(one) },
            one,
          ),
        ),
      ),
    },
    h(Chart, {
      label: t('pipelines.output-chart', { output: name, pipeline: id }),
      lines: series.map((one) => ({
        name: one.device,
        times: one.times,
        values: one.values,
        colour: colour.get(one.device)!,
      })),
      height: 220,
    }),
  );
}

function Results({ id, notable }: { id: string; notable: boolean }): JSX.Element {
  const [before, older] = useState<number | undefined>(undefined);
  const path = withQuery(`/api/v1/pipelines/${encodeURIComponent(id)}/results`, {
    limit: 25,
    before,
    notable: notable ? 'true' : undefined,
  });
  const { data, error } = useQuery<ResultPage>(path, before === undefined ? 3000 : undefined);
  return h(
    Card,
    {
      title: t('pipelines.results'),
      flush: true,
      note: h(
        'label',
        { class: 'check' },
        h('input', {
          type: 'checkbox',
          checked: notable,
          onChange: () => {
            older(undefined);
            setQuery({ notable: notable ? '' : 'true' });
          },
        }),
        t('pipelines.notable'),
      ),
    },
    h(Problem, { error }),
    data?.results.length === 0
      ? h(Empty, {}, t('pipelines.no-results'))
      : h(Table<Result>, {
          label: t('pipelines.results'),
          rows: data?.results ?? [],
          keyOf: (one) => one.id,
          columns: [
            {
              title: t('col.device'),
              show: ({ device }) => h('a', { href: href('devices', device) }, device),
            },
            { title: t('col.when'), show: ({ time }) => h(Ago, { at: time }) },
            { title: t('col.outputs'), show: Values, kind: 'wide' },
            { title: t('col.model'), show: ({ model }) => `${model.name} ${model.version}`, kind: 'minor' },
          ],
        }),
    h(
      'div',
      { class: 'card-foot' },
      before !== undefined && h(Button, { onClick: () => older(undefined) }, t('newest')),
      data?.before != null && h(Button, { onClick: () => older(data.before!) }, t('older')),
    ),
  );
}

const Values = ({ outputs, notable }: Result): JSX.Element =>
  h(
    'span',
    { class: 'values' },
    Object.entries(outputs).flatMap(([name, value]) => {
      if (typeof value === 'string') return h(Badge, { key: name, tone: notable ? 'bad' : 'plain' }, value);
      if (typeof value === 'number')
        return h('span', { key: name }, h('span', { class: 'soft' }, `${name} `), measure(value));
      return [];
    }),
  );

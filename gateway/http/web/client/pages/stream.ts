import { Fragment, h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { withQuery } from '../lib/api.ts';
import { bytes, number, unitText } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, setQuery } from '../lib/router.ts';
import type { AnomalyView, ReadingsView, StreamDetail } from '../types.ts';
import { Chart, type Line, type Mark } from '../ui/chart.ts';
import { colours } from '../ui/mini.ts';
import { Ago, Badge, Card, Code, Empty, Facts, Loading, Page, Problem } from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useQuery, useTopic } from '../ui/use.ts';
import { addReadings, LIVE_MS, type LiveReadings } from './stream-live.ts';

const RANGES = {
  '5m': 300_000,
  '1h': 3_600_000,
  '6h': 21_600_000,
  '1d': 86_400_000,
  '7d': 604_800_000,
} as const;
type Range = keyof typeof RANGES;
const isRange = (text: string | null): text is Range => text !== null && text in RANGES;

/** One stream: its fields as lines, a line for each device, with what models saw in them. */
export function StreamPage({
  id,
  query,
}: {
  readonly id: string;
  readonly query: URLSearchParams;
}): JSX.Element {
  const wanted = query.get('range');
  const range: Range = isRange(wanted) ? wanted : '5m';
  const device = query.get('device') ?? '';
  const stream = useQuery<StreamDetail[]>('/api/v1/streams', 5000).data?.find((one) => one.id === id);
  return h(
    Page,
    {
      title: id,
      above: [href('streams'), t('nav.streams')],
      lead: stream && t('stream.lead', { rate: number(stream.perSecond), devices: number(stream.devices) }),
      actions: h(Ranges, { range, device, stream: id }),
    },
    h(Plots, { key: `${id} ${range} ${device}`, id, range, device, pipelines: stream?.pipelines ?? [] }),
    stream && h(About, { stream }),
  );
}

function Ranges({ range, device, stream }: { range: Range; device: string; stream: string }): JSX.Element {
  const devices =
    useQuery<{ name: string }[]>(withQuery('/api/v1/devices', { stream, limit: 200 })).data ?? [];
  return h(
    Fragment,
    null,
    h(
      'select',
      {
        'aria-label': t('stream.device'),
        value: device,
        onChange: (event: Event) => setQuery({ device: (event.target as HTMLSelectElement).value }),
      },
      h('option', { value: '' }, t('stream.newest-devices')),
      devices.map(({ name }) => h('option', { key: name, value: name }, name)),
    ),
    h(
      'div',
      { class: 'segments', role: 'group', 'aria-label': t('stream.range') },
      (Object.keys(RANGES) as Range[]).map((one) =>
        h(
          'button',
          {
            key: one,
            type: 'button',
            'aria-pressed': one === range,
            onClick: () => setQuery({ range: one }),
          },
          t(`range.${one}`),
        ),
      ),
    ),
  );
}

interface PlotsProps {
  readonly id: string;
  readonly range: Range;
  readonly device: string;
  readonly pipelines: readonly string[];
}

function Plots({ id, range, device, pipelines }: PlotsProps): JSX.Element {
  const short = RANGES[range] <= LIVE_MS;
  const [from] = useState(() => Date.now() - RANGES[range]);
  const path = withQuery(`/api/v1/streams/${encodeURIComponent(id)}/readings`, { device, from, points: 600 });
  const { data, error } = useQuery<ReadingsView>(path, short ? 30_000 : 15_000);
  const [live, setLive] = useState<LiveReadings>({ series: new Map(), anomalies: [] });
  useTopic(short ? `readings:${id}` : null, (event) => setLive((now) => addReadings(now, event, device)));
  useTopic(pipelines[0] === undefined ? null : `results:${pipelines[0]}`, (event) => {
    const { anomalies } = event as { anomalies: AnomalyView[] };
    if (anomalies.length > 0)
      setLive((now) => ({ ...now, anomalies: [...now.anomalies, ...anomalies].slice(-500) }));
  });
  if (error) return h(Problem, { error });
  if (!data) return h(Loading, {});
  const anomalies = merged(data.anomalies, live.anomalies, device);
  const fields = Map.groupBy(data.series, (series) => series.field);
  const colour = colours(data.series.map((series) => series.device));
  if (fields.size === 0) return h(Empty, { icon: 'streams' }, t('stream.nothing'));
  return h(
    'div',
    { class: 'stack' },
    [...fields].map(([field, series]) =>
      h(
        Card,
        { key: field, title: field, note: unitText(series[0]!.unit) },
        h(Chart, {
          label: t('stream.chart', { field, stream: id }),
          unit: unitText(series[0]!.unit),
          lines: series.map((one): Line => {
            const more = live.series.get(`${one.device}\n${field}`);
            const last = one.times.at(-1) ?? 0;
            const fresh = more?.times.findIndex((time) => time > last) ?? -1;
            const added = one.kind !== 'frame' && more && fresh >= 0;
            return {
              name: one.device,
              colour: colour.get(one.device)!,
              times: added ? [...one.times, ...more.times.slice(fresh)] : one.times,
              values: added ? [...one.values, ...more.values.slice(fresh)] : one.values,
            };
          }),
          marks:
            series[0]!.kind === 'frame'
              ? []
              : anomalies.map((one): Mark => ({ line: one.device, time: one.time, text: wordsOf(one) })),
          height: fields.size > 2 ? 170 : 260,
        }),
      ),
    ),
    h(Anomalies, { anomalies, pipelines }),
    !data.complete &&
      h(
        'p',
        { class: 'soft small' },
        t('stream.thinned', { read: number(data.read), records: number(data.records) }),
      ),
  );
}

const wordsOf = ({ label, score, output }: AnomalyView): string =>
  label ?? (score === null ? '' : `${output ?? t('stream.score')} ${number(score, 3)}`);

function merged(kept: readonly AnomalyView[], fresh: readonly AnomalyView[], device: string): AnomalyView[] {
  const all = new Map([...kept, ...fresh].map((one) => [one.id, one]));
  return [...all.values()].filter((one) => device === '' || one.device === device);
}

function Anomalies({
  anomalies,
  pipelines,
}: {
  anomalies: readonly AnomalyView[];
  pipelines: readonly string[];
}): JSX.Element | null {
  if (pipelines.length === 0) return null;
  const newest = [...anomalies].sort((a, b) => b.time - a.time).slice(0, 50);
  return h(
    Card,
    {
      title: t('stream.anomalies'),
      note: t('stream.anomalies.count', { count: anomalies.length }),
      flush: true,
    },
    newest.length === 0
      ? h(Empty, {}, t('stream.anomalies.none', { pipelines: pipelines.join(', ') }))
      : h(Table<AnomalyView>, {
          label: t('stream.anomalies'),
          rows: newest,
          keyOf: ({ id }) => id,
          columns: [
            { title: t('col.device'), show: (one) => one.device },
            { title: t('col.when'), show: (one) => h(Ago, { at: one.time }) },
            { title: t('col.seen'), show: (one) => h(Badge, { tone: 'bad' }, wordsOf(one)) },
            {
              title: t('col.model'),
              show: (one) =>
                h('a', { href: href('models', one.model.name) }, `${one.model.name} ${one.model.version}`),
            },
            { title: t('col.pipeline'), show: (one) => one.pipeline, kind: 'minor' },
          ],
        }),
  );
}

const About = ({ stream }: { stream: StreamDetail }): JSX.Element =>
  h(
    Card,
    { title: t('stream.about'), class: 'below' },
    h(Facts, {
      of: [
        [t('stream.doors'), stream.doors.map((door) => h('div', { key: door }, h(Code, {}, door)))],
        [t('stream.decode'), stream.decode],
        [t('stream.kept'), t('streams.kept', { records: number(stream.records), size: bytes(stream.bytes) })],
        [t('stream.accepted'), number(stream.accepted)],
        stream.rejected + stream.refused === 0
          ? null
          : [t('stream.rejected'), `${number(stream.rejected)} / ${number(stream.refused)}`],
        [t('nav.pipelines'), stream.pipelines.join(', ') || '–'],
      ],
    }),
  );

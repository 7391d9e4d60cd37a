import { h, type JSX } from 'preact';
import { bytes, clockTime, compact, dateTime, duration, number, percent } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import type { Route } from '../lib/router.ts';
import type { SinkDetail } from '../types.ts';
import { Chart } from '../ui/chart.ts';
import {
  Ago,
  Card,
  Code,
  Empty,
  Facts,
  Figure,
  Figures,
  Loading,
  Meter,
  Notice,
  Page,
  Problem,
  State,
} from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';

export function UpstreamPage(_props: { readonly route: Route }): JSX.Element {
  const { data, error } = useQuery<SinkDetail[]>('/api/v1/upstream', 2500);
  return h(
    Page,
    { title: t('nav.upstream'), lead: t('upstream.lead') },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 && h(Empty, { icon: 'upstream' }, t('upstream.none')),
    h(
      'div',
      { class: 'stack' },
      data?.map((sink) => h(Sink, { key: sink.id, sink })),
    ),
  );
}

function Sink({ sink }: { sink: SinkDetail }): JSX.Element {
  const share = sink.quotaBytes === 0 ? 0 : sink.backlogBytes / sink.quotaBytes;
  return h(
    Card,
    {
      title: sink.id,
      note: h(
        State,
        { tone: sink.connected ? 'good' : 'warn' },
        sink.connected ? t('upstream.connected') : t('upstream.away'),
      ),
    },
    !sink.connected && sink.lastError && h(Notice, { tone: 'warn' }, h('p', null, sink.lastError)),
    h(
      Figures,
      {},
      h(Figure, { label: t('upstream.rate'), value: number(sink.perSecond), unit: '/s' }),
      h(Figure, {
        label: t('upstream.backlog'),
        value: compact(sink.backlog),
        unit: bytes(sink.backlogBytes),
        tone: share > 0.8 ? 'bad' : undefined,
      }),
      h(Figure, { label: t('upstream.forecast'), ...forecastOf(sink) }),
      h(Figure, { label: t('upstream.sent'), value: compact(sink.sent) }),
      sink.dropped > 0 &&
        h(Figure, { label: t('upstream.dropped'), value: compact(sink.dropped), tone: 'bad' }),
    ),
    h(Backlog, { sink }),
    h(
      'div',
      { class: 'labelled' },
      h(
        'span',
        { class: 'soft' },
        t('upstream.quota', {
          share: percent(share, 1),
          quota: bytes(sink.quotaBytes),
          policy: t(`policy.${sink.whenFull}`),
        }),
      ),
      h(Meter, {
        share,
        label: t('upstream.quota.label', { sink: sink.id }),
        tone: share > 0.8 ? 'bad' : share > 0.5 ? 'warn' : 'info',
      }),
    ),
    h(Facts, {
      of: [
        [t('upstream.to'), h(Code, {}, sink.to)],
        [t('upstream.sends'), sink.sends.map((kind) => term('kind', kind)).join(', ')],
        sink.oldest === null ? null : [t('upstream.oldest'), h(Ago, { at: sink.oldest })],
      ],
    }),
  );
}

/** When the backlog will be gone, or the quota used up. */
function forecastOf({ forecast, backlog }: SinkDetail): { value: string; note?: string; tone?: 'warn' } {
  const now = Date.now();
  if (forecast.state === 'empty' || backlog === 0) return { value: t('upstream.empty') };
  if (forecast.state === 'draining' && forecast.emptyAt !== null)
    return {
      value: t('upstream.drained-in', { time: duration(forecast.emptyAt - now) }),
      note: t('upstream.drained-at', { time: clockTime(forecast.emptyAt) }),
    };
  if (forecast.state === 'growing')
    return {
      value: t('upstream.growing'),
      tone: 'warn',
      ...(forecast.fullAt === null
        ? {}
        : { note: t('upstream.full-at', { time: dateTime(forecast.fullAt) }) }),
    };
  return { value: t('upstream.steady') };
}

function Backlog({ sink }: { sink: SinkDetail }): JSX.Element | null {
  const { every, backlog } = sink.history;
  if (backlog.length < 2 || backlog.every((one) => one === 0)) return null;
  const end = Math.round(Date.now() / every) * every;
  return h(Chart, {
    label: t('upstream.chart', { sink: sink.id }),
    lines: [
      {
        name: t('upstream.backlog'),
        colour: 'c1',
        times: backlog.map((_, i) => end - (backlog.length - 1 - i) * every),
        values: backlog,
      },
    ],
    height: 150,
  });
}

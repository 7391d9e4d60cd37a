import { h, type JSX } from 'preact';
import { bytes, compact, duration, milliseconds, number, tokens } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { overview } from '../lib/live.ts';
import { href } from '../lib/router.ts';
import type { AlarmEntry, Overview } from '../types.ts';
import { Icon, type IconName } from '../ui/icons.ts';
import { Ago, Card, Loading, Page, State, type Tone } from '../ui/parts.ts';
import { Spark } from '../ui/spark.ts';
import { useQuery, useStore } from '../ui/use.ts';
import { NewestResults } from './overview-results.ts';

export function OverviewPage(): JSX.Element {
  const now = useStore(overview);
  return h(
    Page,
    { title: t('nav.overview'), lead: t('overview.lead') },
    now ? h(Body, { now }) : h(Loading, {}),
  );
}

const Body = ({ now }: { now: Overview }): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    h(Alarms, { count: now.alarms.unacknowledged }),
    h(Stages, { now }),
    h('div', { class: 'columns' }, h(Health, { now }), h(NewestResults, {})),
  );

interface StageProps {
  readonly page: string;
  readonly icon: IconName;
  readonly title: string;
  readonly value: string;
  readonly unit: string;
  readonly notes: readonly string[];
  readonly rates?: readonly number[];
  readonly tone?: Tone | undefined;
  readonly colour?: string;
}

const Stage = ({
  page,
  icon,
  title,
  value,
  unit,
  notes,
  rates,
  tone,
  colour = 'c0',
}: StageProps): JSX.Element =>
  h(
    'a',
    { class: `stage ${tone ?? ''}`, href: href(page) },
    h('span', { class: 'stage-title' }, h(Icon, { name: icon }), title),
    h('span', { class: 'stage-value' }, h('b', null, value), ' ', h('span', null, unit)),
    notes.map((note) => h('span', { class: 'stage-note', key: note }, note)),
    h(
      'span',
      { class: 'stage-spark' },
      rates && h(Spark, { values: rates, label: `${title}, ${t('overview.rates')}`, tone: colour }),
    ),
  );

function Stages({ now }: { now: Overview }): JSX.Element {
  const { decided, up, owed } = now;
  return h(
    'div',
    { class: 'stages' },
    h(Stage, {
      page: 'streams',
      icon: 'streams',
      title: t('overview.in'),
      value: number(now.in.perSecond),
      unit: t('overview.in.unit'),
      notes: [
        t('overview.in.note', { streams: now.in.streams, devices: number(now.in.devices) }),
        ...(now.in.rejected > 0 ? [t('overview.in.rejected', { count: compact(now.in.rejected) })] : []),
      ],
      rates: now.in.history,
    }),
    h(Stage, {
      page: 'pipelines',
      icon: 'pipelines',
      title: t('overview.decided'),
      value: number(decided.perSecond),
      unit: t('overview.decided.unit'),
      notes: [
        decided.p99Ms === null
          ? t('overview.decided.none')
          : t('overview.decided.note', { latency: milliseconds(decided.p99Ms) }),
      ],
      rates: decided.history,
      colour: 'c2',
    }),
    h(Stage, {
      page: 'upstream',
      icon: 'upstream',
      title: t('overview.up'),
      value: number(up.perSecond),
      unit: t('overview.up.unit'),
      notes: [
        up.backlog > 0
          ? t('overview.up.waiting', { count: compact(up.backlog), size: bytes(up.backlogBytes) })
          : t('overview.up.empty', { sent: compact(up.sent) }),
        ...(up.connected < up.sinks ? [t('overview.up.away', { count: up.sinks - up.connected })] : []),
      ],
      tone: up.connected < up.sinks ? 'warn' : undefined,
    }),
    h(Stage, {
      page: 'receipts',
      icon: 'receipts',
      title: t('overview.owed'),
      value: owed ? tokens(owed.amount, owed.decimals) : '–',
      unit: owed?.symbol ?? '',
      notes: owed
        ? [
            t('overview.owed.receipts', { count: number(owed.receipts) }),
            t('overview.owed.pending', { count: compact(owed.pending) }),
          ]
        : [t('overview.owed.none')],
    }),
  );
}

const TONES = { ok: 'good', warning: 'warn', critical: 'bad', off: 'plain' } as const;

const Health = ({ now }: { now: Overview }): JSX.Element =>
  h(
    Card,
    {
      title: t('overview.health'),
      note: t('overview.up.since', { time: duration(now.now - now.startedAt) }),
    },
    h(
      'ul',
      { class: 'parts' },
      now.parts.map(({ part, state, text, code }) =>
        h(
          'li',
          { key: part },
          h(
            State,
            { tone: TONES[state] },
            t(`part.${part}`),
            h('span', { class: 'visually-hidden' }, ` (${t(`part.state.${state}`)})`),
          ),
          h('span', { class: 'soft' }, term('part.code', code) === code ? text : term('part.code', code)),
        ),
      ),
    ),
  );

/** What wants somebody's attention, above everything else. */
function Alarms({ count }: { count: number }): JSX.Element | null {
  const { data } = useQuery<AlarmEntry[]>(count > 0 ? '/api/v1/alarms?state=active&limit=10' : null, 10_000);
  const open = data?.filter((alarm) => alarm.acknowledged === null && alarm.severity !== 'info') ?? [];
  if (open.length === 0) return null;
  return h(
    'div',
    { class: 'stack tight', role: 'region', 'aria-label': t('nav.alarms') },
    open.slice(0, 3).map((alarm) =>
      h(
        'a',
        {
          key: alarm.id,
          class: `notice ${alarm.severity === 'critical' ? 'bad' : 'warn'}`,
          href: href('alarms'),
        },
        h(Icon, { name: 'warning' }),
        h(
          'div',
          null,
          h('p', null, h('b', null, alarm.message)),
          h('p', { class: 'soft' }, h(Ago, { at: alarm.since })),
        ),
      ),
    ),
  );
}

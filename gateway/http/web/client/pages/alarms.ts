import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { mayChange, post, session, withQuery } from '../lib/api.ts';
import { dateTime } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { type Route, setQuery } from '../lib/router.ts';
import type { AlarmEntry } from '../types.ts';
import { Confirm } from '../ui/dialog.ts';
import { Ago, Badge, Button, Empty, Loading, Page, Problem } from '../ui/parts.ts';
import { useAction, useQuery, useStore, useTopic } from '../ui/use.ts';

const STATES = ['active', 'over', 'all'] as const;
const TONES = { info: 'info', warning: 'warn', critical: 'bad' } as const;

export function AlarmsPage({ route }: { readonly route: Route }): JSX.Element {
  useStore(session);
  const wanted = route.query.get('state');
  const state = STATES.find((one) => one === wanted) ?? 'active';
  const { data, error, reload } = useQuery<AlarmEntry[]>(
    withQuery('/api/v1/alarms', { state, limit: 200 }),
    10_000,
  );
  useTopic('alarms', () => void reload());
  return h(
    Page,
    {
      title: t('nav.alarms'),
      lead: t('alarms.lead'),
      actions: h(
        'div',
        { class: 'segments', role: 'group', 'aria-label': t('alarms.show') },
        STATES.map((one) =>
          h(
            'button',
            {
              key: one,
              type: 'button',
              'aria-pressed': one === state,
              onClick: () => setQuery({ state: one }),
            },
            t(`alarms.${one}`),
          ),
        ),
      ),
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 &&
      h(Empty, { icon: 'check' }, state === 'active' ? t('alarms.none') : t('alarms.none-over')),
    h(
      'ul',
      { class: 'stack tight' },
      data?.map((alarm) => h(Alarm, { key: alarm.id, alarm, reload })),
    ),
  );
}

function Alarm({ alarm, reload }: { alarm: AlarmEntry; reload: () => Promise<void> }): JSX.Element {
  const { acknowledged } = alarm;
  return h(
    'li',
    { class: `card alarm ${alarm.state === 'over' ? 'over' : alarm.severity}` },
    h(
      'div',
      { class: 'alarm-head' },
      h(
        Badge,
        { tone: alarm.state === 'over' ? 'plain' : TONES[alarm.severity] },
        t(`severity.${alarm.severity}`),
      ),
      h('code', null, alarm.kind),
      h('span', { class: 'soft small' }, h(Ago, { at: alarm.since })),
    ),
    h('h2', null, alarm.message),
    h('p', null, h('b', null, t('alarms.do')), ' ', alarm.fix),
    h(
      'div',
      { class: 'alarm-foot soft small' },
      h(
        'span',
        null,
        alarm.until !== null
          ? t('alarms.over-since', { time: dateTime(alarm.until) })
          : acknowledged
            ? t('alarms.acknowledged', { by: acknowledged.by, time: dateTime(acknowledged.time) })
            : '',
        acknowledged?.note ? ` – ${acknowledged.note}` : '',
      ),
      alarm.state === 'active' && !acknowledged && mayChange() && h(Acknowledge, { alarm, reload }),
    ),
  );
}

function Acknowledge({ alarm, reload }: { alarm: AlarmEntry; reload: () => Promise<void> }): JSX.Element {
  const { busy, error, run } = useAction();
  const [open, setOpen] = useState(false);
  const [note, write] = useState('');
  const acknowledge = (): Promise<void> =>
    run(async () => {
      await post(
        `/api/v1/alarms/${encodeURIComponent(alarm.id)}/acknowledge`,
        note.trim() ? { note: note.trim() } : {},
      );
      setOpen(false);
      await reload();
    });
  return h(
    'span',
    null,
    h(Button, { onClick: () => setOpen(true) }, t('alarms.acknowledge')),
    open &&
      h(
        Confirm,
        {
          title: t('alarms.acknowledge.ask'),
          yes: t('alarms.acknowledge'),
          busy,
          onYes: () => void acknowledge(),
          onNo: () => setOpen(false),
        },
        h('p', null, t('alarms.acknowledge.note')),
        h(
          'label',
          { class: 'field' },
          t('alarms.note'),
          h('input', {
            value: note,
            maxLength: 500,
            onInput: (event: Event) => write((event.target as HTMLInputElement).value),
          }),
        ),
        h(Problem, { error }),
      ),
  );
}

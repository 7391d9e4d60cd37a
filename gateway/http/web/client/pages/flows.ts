import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { mayChange, post, session } from '../lib/api.ts';
import { bytes, dateTime, number } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import type { Route } from '../lib/router.ts';
import type { FlowsView, SnapshotView } from '../types.ts';
import { Confirm } from '../ui/dialog.ts';
import { Icon } from '../ui/icons.ts';
import {
  Ago,
  Badge,
  Button,
  Card,
  Empty,
  Facts,
  Loading,
  Notice,
  Page,
  Problem,
  State,
  type Tone,
} from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useAction, useQuery, useStore } from '../ui/use.ts';

const TONES: Readonly<Record<FlowsView['state'], Tone>> = {
  off: 'plain',
  missing: 'warn',
  stopped: 'plain',
  idle: 'plain',
  starting: 'info',
  running: 'good',
  'safe-mode': 'bad',
  waiting: 'warn',
};

/** How Node-RED does, and every deploy that is kept. */
export function FlowsPage(_props: { readonly route: Route }): JSX.Element {
  useStore(session);
  const { data, error, reload } = useQuery<FlowsView>('/api/v1/flows', 3000);
  const snapshots = useQuery<SnapshotView[]>('/api/v1/flows/snapshots', 10_000);
  const off = data?.state === 'off' || data?.state === 'missing';
  return h(
    Page,
    {
      title: t('nav.flows'),
      lead: t('flows.lead'),
      actions:
        data &&
        !off &&
        h('a', { class: 'button primary', href: '/flows/' }, h(Icon, { name: 'external' }), t('flows.open')),
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        off &&
          h(
            Notice,
            { tone: 'info' },
            h('p', null, data.state === 'off' ? t('flows.off') : t('flows.missing')),
          ),
        data.state === 'safe-mode' && h(Notice, { tone: 'bad' }, h('p', null, t('flows.safe-mode'))),
        !off && h(How, { flows: data, reload }),
        !off && h(Deploys, { snapshots: snapshots.data ?? [], reload: snapshots.reload }),
      ),
  );
}

function How({ flows, reload }: { flows: FlowsView; reload: () => Promise<void> }): JSX.Element {
  const { busy, error, run } = useAction();
  const restart = (): Promise<void> =>
    run(async () => {
      await post('/api/v1/flows/restart');
      await reload();
    });
  return h(
    Card,
    {
      title: t('flows.process'),
      note: h(State, { tone: TONES[flows.state] }, t(`flows.state.${flows.state}`)),
    },
    h(Facts, {
      of: [
        ['Node-RED', flows.version ?? '–'],
        [t('flows.ready'), h(Ago, { at: flows.readyAt })],
        [t('flows.restarts'), number(flows.restarts)],
        flows.lastEnd === null ? null : [t('flows.last-end'), flows.lastEnd],
      ],
    }),
    h(Problem, { error }),
    mayChange() &&
      h(
        'div',
        { class: 'card-actions' },
        h(Button, { busy, onClick: () => void restart() }, t('flows.restart')),
      ),
  );
}

function Deploys({
  snapshots,
  reload,
}: {
  snapshots: readonly SnapshotView[];
  reload: () => Promise<void>;
}): JSX.Element {
  const { busy, error, run } = useAction();
  const [asked, ask] = useState<SnapshotView | null>(null);
  const restore = (id: number): Promise<void> =>
    run(async () => {
      await post(`/api/v1/flows/snapshots/${id}/restore`);
      ask(null);
      await reload();
    });
  return h(
    Card,
    { title: t('flows.deploys'), flush: true },
    snapshots.length === 0
      ? h(Empty, { icon: 'flows' }, t('flows.no-deploys'))
      : h(Table<SnapshotView>, {
          label: t('flows.deploys'),
          rows: snapshots,
          keyOf: ({ id }) => id,
          columns: [
            { title: t('flows.deploy'), show: ({ id }) => `#${id}` },
            { title: t('col.when'), show: ({ at }) => h('span', { title: dateTime(at) }, h(Ago, { at })) },
            { title: t('flows.author'), show: ({ author }) => author },
            { title: t('flows.nodes'), show: ({ nodes }) => number(nodes), kind: 'number' },
            { title: t('flows.size'), show: (one) => bytes(one.bytes), kind: 'minor' },
            { title: t('col.state'), show: DeployState },
            {
              title: '',
              show: (one) =>
                !one.current && mayChange() && h(Button, { onClick: () => ask(one) }, t('flows.restore')),
              kind: 'action',
            },
          ],
        }),
    asked &&
      h(
        Confirm,
        {
          title: t('flows.restore.ask', { id: asked.id }),
          yes: t('flows.restore'),
          busy,
          onYes: () => void restore(asked.id),
          onNo: () => ask(null),
        },
        h('p', null, t('flows.restore.note')),
        h(Problem, { error }),
      ),
  );
}

const DeployState = ({ current, good, failed }: SnapshotView): JSX.Element => {
  if (failed !== null) return h('span', { title: failed }, h(Badge, { tone: 'bad' }, t('flows.failed')));
  if (current) return h(Badge, { tone: 'good' }, t('flows.current'));
  return h(Badge, {}, good === null ? t('flows.unproven') : t('flows.good'));
};

import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { mayChange, post, session } from '../lib/api.ts';
import { number } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { ModelFamily } from '../types.ts';
import { Confirm } from '../ui/dialog.ts';
import { Ago, Button, Card, Code, Empty, Facts, Loading, Notice, Page, Problem } from '../ui/parts.ts';
import { useAction, useQuery, useStore } from '../ui/use.ts';
import { Compare } from './model-compare.ts';
import { Life } from './models.ts';

type Version = ModelFamily['versions'][number];
type Action = Version['actions'][number];

const path = (name: string): string => `/api/v1/models/${encodeURIComponent(name)}`;

/** All versions of a model: what each is there for, and what may be done with it. */
export function ModelPage({ name }: { readonly name: string }): JSX.Element {
  const { data, error, reload } = useQuery<ModelFamily>(path(name), 4000);
  useStore(session);
  const onTrial = data?.versions.some(({ life }) => life === 'shadow' || life === 'canary');
  return h(
    Page,
    {
      title: name,
      above: [href('models'), t('nav.models')],
      lead:
        data &&
        (data.pipelines.length > 0
          ? [
              t('model.asked-by'),
              ' ',
              data.pipelines.map((id) => h('a', { key: id, href: href('pipelines', id) }, id, ' ')),
            ]
          : t('model.asked-by-none')),
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        !mayChange() &&
          h(
            Notice,
            { tone: 'info' },
            h('p', null, t('login.to-change'), ' ', h('a', { href: href('login') }, t('login.in'))),
          ),
        h(LifeLine, { family: data }),
        onTrial && h(Compare, { name }),
        h(
          'div',
          { class: 'grid wide' },
          [...data.versions]
            .sort((a, b) => ORDER.indexOf(a.life) - ORDER.indexOf(b.life) || b.since - a.since)
            .map((version) => h(VersionCard, { key: version.version, name, version, reload })),
        ),
        data.versions[0] &&
          h(ModelCard, {
            card: (data.versions.find(({ life }) => life === 'live') ?? data.versions[0]).card,
          }),
      ),
  );
}

const ORDER: readonly Version['life'][] = ['canary', 'shadow', 'live', 'staged', 'previous'];
const STAGES: readonly Version['life'][] = ['staged', 'shadow', 'canary', 'live', 'previous'];

/** Where each version stands on its way. */
const LifeLine = ({ family }: { family: ModelFamily }): JSX.Element =>
  h(
    'ol',
    { class: 'lifeline', 'aria-label': t('model.life') },
    STAGES.map((stage) => {
      const here = family.versions.filter(({ life }) => life === stage);
      return h(
        'li',
        { key: stage, class: here.length > 0 ? 'here' : undefined },
        h('span', { class: 'stage-name' }, t(`life.${stage}`)),
        h('b', null, here.map(({ version }) => version).join(', ') || '–'),
        h('span', { class: 'soft small' }, t(`life.${stage}.note`)),
      );
    }),
  );

interface VersionProps {
  readonly name: string;
  readonly version: Version;
  readonly reload: () => Promise<void>;
}

function VersionCard({ name, version, reload }: VersionProps): JSX.Element {
  return h(
    Card,
    { title: t('models.version', { version: version.version }), note: h(Life, { model: version }) },
    version.reason && h(Notice, { tone: 'bad' }, h('p', null, version.reason)),
    version.note && h(Notice, { tone: 'warn' }, h('p', null, version.note)),
    h(Facts, {
      of: [
        [t('model.state'), `${term('model.state', version.state)} · ${version.runtime}`],
        [t('model.since'), h(Ago, { at: version.since })],
        [
          t('model.requests'),
          t('model.requests.of', { count: number(version.requests), failed: number(version.failed) }),
        ],
        [t('model.inputs'), version.inputs.map(tensor).join(', ') || '–'],
        [t('model.outputs'), version.outputs.map(tensor).join(', ') || '–'],
        [t('model.price-class'), version.priceClass],
        ['SHA-256', h(Code, {}, version.sha256)],
      ],
    }),
    h(Actions, { name, version, reload }),
  );
}

const tensor = ({ name, datatype, shape }: Version['inputs'][number]): string =>
  `${name} ${datatype}[${shape.join(', ')}]`;

/** Ways to ask first: what it means is said before it is done. */
function Actions({ name, version, reload }: VersionProps): JSX.Element | null {
  const { busy, error, run } = useAction();
  const [asked, ask] = useState<Action | null>(null);
  const [share, setShare] = useState(10);
  if (version.actions.length === 0 || !mayChange()) return null;
  const act = (action: Action): Promise<void> =>
    run(async () => {
      await post(`${path(name)}/${action}`, {
        ...(action === 'rollback' ? {} : { version: version.version }),
        ...(action === 'canary' ? { share: share / 100 } : {}),
      });
      ask(null);
      await reload();
    });
  return h(
    'div',
    { class: 'card-actions' },
    version.actions.map((action) =>
      h(
        Button,
        {
          key: action,
          kind: action === 'promote' ? 'primary' : action === 'remove' ? 'danger' : 'plain',
          onClick: () => ask(action),
        },
        t(`action.${action}`),
      ),
    ),
    asked !== null &&
      h(
        Confirm,
        {
          title: t(`action.${asked}.ask`, { name, version: version.version }),
          yes: t(`action.${asked}`),
          danger: asked === 'remove',
          busy,
          onYes: () => void act(asked),
          onNo: () => ask(null),
        },
        h('p', null, t(`action.${asked}.note`)),
        asked === 'canary' &&
          h(
            'label',
            { class: 'field' },
            t('action.canary.share'),
            h('input', {
              type: 'number',
              min: 1,
              max: 100,
              value: share,
              onInput: (event: Event) => setShare(Number((event.target as HTMLInputElement).value)),
            }),
          ),
        h(Problem, { error }),
      ),
  );
}

/** What its makers say of it. */
function ModelCard({ card }: { card: Readonly<Record<string, unknown>> }): JSX.Element {
  const entries = Object.entries(card).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length === 0) return h(Card, { title: t('model.card') }, h(Empty, {}, t('model.card.none')));
  return h(
    Card,
    { title: t('model.card') },
    h(Facts, { of: entries.map(([name, value]) => [term('card', name), words(value)] as const) }),
  );
}

function words(value: unknown): string {
  if (Array.isArray(value)) return value.map(words).join('; ');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, inner]) => `${name}: ${words(inner)}`)
      .join('; ');
  return String(value);
}

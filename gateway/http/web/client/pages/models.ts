import { h, type JSX } from 'preact';
import { compact, number, percent } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { ModelView } from '../types.ts';
import { Badge, Card, Empty, Loading, Page, Problem, type Tone } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { ModelPage } from './model.ts';

export const ModelsPage = ({ route }: { readonly route: Route }): JSX.Element =>
  route.rest[0] === undefined ? h(List, {}) : h(ModelPage, { name: route.rest[0] });

export const LIFE_TONES: Readonly<Record<ModelView['life'], Tone>> = {
  staged: 'plain',
  shadow: 'info',
  canary: 'warn',
  live: 'good',
  previous: 'plain',
};

export const Life = ({ model }: { model: Pick<ModelView, 'life' | 'share'> }): JSX.Element =>
  h(
    Badge,
    { tone: LIFE_TONES[model.life] },
    model.life === 'canary' && model.share !== null
      ? `${t('life.canary')} ${percent(model.share)}`
      : t(`life.${model.life}`),
  );

function List(): JSX.Element {
  const { data, error } = useQuery<ModelView[]>('/api/v1/models', 4000);
  const families = Map.groupBy(data ?? [], ({ name }) => name);
  return h(
    Page,
    { title: t('nav.models'), lead: t('models.lead') },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 && h(Empty, { icon: 'models' }, t('models.none')),
    h(
      'div',
      { class: 'grid' },
      [...families].map(([name, versions]) => h(Family, { key: name, name, versions })),
    ),
  );
}

function Family({ name, versions }: { name: string; versions: readonly ModelView[] }): JSX.Element {
  const refused = versions.some(({ state }) => state === 'refused');
  const trial = versions.find(({ life }) => life === 'shadow' || life === 'canary');
  const requests = versions.reduce((sum, one) => sum + one.requests, 0);
  return h(
    Card,
    {
      title: h('a', { href: href('models', name) }, name),
      note: refused
        ? h(Badge, { tone: 'bad' }, t('models.refused'))
        : trial
          ? h(Badge, { tone: 'info' }, t('models.on-trial'))
          : t('models.requests', { count: compact(requests) }),
    },
    h(
      'ul',
      { class: 'versions' },
      [...versions]
        .sort((a, b) => b.since - a.since || (a.version < b.version ? 1 : -1))
        .map((one) =>
          h(
            'li',
            { key: one.version },
            h('b', null, t('models.version', { version: one.version })),
            h(Life, { model: one }),
            h('span', { class: 'soft' }, `${one.runtime} · ${term('model.state', one.state)}`),
            h('span', { class: 'soft number' }, number(one.requests)),
          ),
        ),
    ),
  );
}

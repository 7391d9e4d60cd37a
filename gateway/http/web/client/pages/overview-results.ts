import { h, type JSX } from 'preact';
import { number } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { ResultView } from '../types.ts';
import { Ago, Badge, Card, Empty, type Tone } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';

/** What a result says in a word or a number: the text of its outputs, else the first number. */
export function verdictOf(outputs: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(outputs);
  const word = entries.find(([, value]) => typeof value === 'string');
  if (word) return term('verdict', String(word[1])).replaceAll('_', ' ');
  const figure = entries.find(([, value]) => typeof value === 'number');
  return figure ? `${figure[0]} ${number(figure[1] as number, 3)}` : '';
}

/** Words that mean that all is well; any other one stands out. */
const WELL: ReadonlySet<unknown> = new Set(['normal', 'ok', 'good', 'comfortable', 'healthy']);

function toneOf(outputs: Readonly<Record<string, unknown>>): Tone {
  const word = Object.values(outputs).find((value) => typeof value === 'string');
  return word === undefined || WELL.has(word) ? 'plain' : 'warn';
}

/** The newest results over all pipelines. */
export function NewestResults(): JSX.Element {
  const { data } = useQuery<ResultView[]>('/api/v1/results?limit=9', 3000);
  return h(
    Card,
    { title: t('overview.newest'), note: h('a', { href: href('pipelines') }, t('overview.all')) },
    data?.length === 0 && h(Empty, { icon: 'pipelines' }, t('pipelines.no-results')),
    h(
      'ul',
      { class: 'feed' },
      data?.map((result) =>
        h(
          'li',
          { key: result.id },
          h(
            'span',
            { class: 'feed-main' },
            h('b', null, result.device),
            h(Badge, { tone: toneOf(result.outputs) }, verdictOf(result.outputs)),
          ),
          h(
            'span',
            { class: 'soft feed-note' },
            `${result.pipeline} · ${result.model.name} ${result.model.version}`,
          ),
          h('span', { class: 'soft feed-time' }, h(Ago, { at: result.time })),
        ),
      ),
    ),
  );
}

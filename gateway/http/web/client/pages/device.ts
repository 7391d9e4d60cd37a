import { h, type JSX } from 'preact';
import { dateTime, measure, number, unitText } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { DeviceDetail } from '../types.ts';
import { Ago, Badge, Card, Empty, Facts, Loading, Page, Problem } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { Signal } from './devices.ts';
import { verdictOf } from './overview-results.ts';

type Field = DeviceDetail['newest'][number]['fields'][number];

/** One device: what it said last and what was made of it. */
export function DevicePage({ name }: { readonly name: string }): JSX.Element {
  const { data, error } = useQuery<DeviceDetail>(`/api/v1/devices/${encodeURIComponent(name)}`, 3000);
  return h(
    Page,
    {
      title: name,
      above: [href('devices'), t('nav.devices')],
      lead: data && [t('device.seen'), ' ', h(Ago, { at: data.lastSeen })],
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data && h('div', { class: 'columns' }, h(Newest, { device: data }), h(About, { device: data })),
  );
}

const Newest = ({ device }: { device: DeviceDetail }): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    device.newest.length === 0 && h(Card, {}, h(Empty, { icon: 'streams' }, t('device.silent'))),
    device.newest.map(({ stream, time, fields }) =>
      h(
        Card,
        {
          key: stream,
          title: h(
            'a',
            { href: `${href('streams', stream)}?device=${encodeURIComponent(device.name)}` },
            stream,
          ),
          note: h(Ago, { at: time }),
        },
        h(Facts, { of: fields.map((field) => [field.name, shown(field)] as const) }),
      ),
    ),
  );

function shown({ value, unit, size }: Field): string {
  if (size !== null) return t('device.array', { count: number(size), unit: unitText(unit) });
  if (typeof value === 'number') return `${measure(value)}${unit ? ` ${unitText(unit)}` : ''}`;
  return value === null ? '–' : String(value);
}

const About = ({ device }: { device: DeviceDetail }): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    device.results.length > 0 &&
      h(
        Card,
        { title: t('device.results') },
        h(
          'ul',
          { class: 'feed' },
          device.results.map((result) =>
            h(
              'li',
              { key: result.id },
              h(
                'span',
                { class: 'feed-main' },
                h('a', { href: href('pipelines', result.pipeline) }, result.pipeline),
                h(Badge, {}, verdictOf((result as { outputs?: Record<string, unknown> }).outputs ?? {})),
              ),
              h('span', { class: 'soft feed-time' }, h(Ago, { at: result.time })),
            ),
          ),
        ),
      ),
    h(
      Card,
      { title: t('device.about') },
      h(Facts, {
        of: [
          [t('device.role'), device.role ?? t('device.no-identity')],
          device.createdAt === null ? null : [t('device.added'), dateTime(device.createdAt)],
          [t('col.signal'), h(Signal, { signal: device.signal })],
          ...device.streams.map(
            ({ stream, readings }) => [stream, t('device.readings', { count: number(readings) })] as const,
          ),
        ],
      }),
    ),
  );

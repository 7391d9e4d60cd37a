import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { getPaged, messageOf, withQuery } from '../lib/api.ts';
import { measure, number, unitText } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route, setQuery } from '../lib/router.ts';
import type { DeviceRow } from '../types.ts';
import { Icon } from '../ui/icons.ts';
import { Ago, Badge, Empty, Loading, Notice, Page } from '../ui/parts.ts';
import { VirtualTable } from '../ui/virtual.ts';
import { DevicePage } from './device.ts';

export const DevicesPage = ({ route }: { readonly route: Route }): JSX.Element =>
  route.rest[0] === undefined
    ? h(List, { search: route.query.get('search') ?? '' })
    : h(DevicePage, { name: route.rest[0] });

const PAGE = 500;
const REFRESH_MS = 4000;
const TYPING_MS = 250;

function List({ search }: { search: string }): JSX.Element {
  const [text, type] = useState(search);
  useEffect(() => {
    const timer = setTimeout(() => setQuery({ search: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const { rows, total, error, seen } = useDevices(search);
  return h(
    Page,
    {
      title: t('nav.devices'),
      lead: total === undefined ? t('devices.lead') : t('devices.count', { count: number(total) }),
      actions: h(
        'label',
        { class: 'search' },
        h(Icon, { name: 'search' }),
        h('span', { class: 'visually-hidden' }, t('devices.search')),
        h('input', {
          type: 'search',
          class: 'search-field',
          placeholder: t('devices.search'),
          value: text,
          onInput: (event: Event) => type((event.target as HTMLInputElement).value),
        }),
      ),
    },
    error !== undefined && h(Notice, { tone: 'bad' }, h('p', null, messageOf(error))),
    total === undefined && error === undefined && h(Loading, {}),
    total === 0 &&
      h(Empty, { icon: 'devices' }, search === '' ? t('devices.none') : t('devices.not-found', { search })),
    total !== undefined &&
      total > 0 &&
      h(VirtualTable<DeviceRow>, {
        label: t('nav.devices'),
        total,
        rows,
        seen,
        link: ({ name }) => href('devices', name),
        columns: [
          { title: t('col.device'), show: ({ name }) => name },
          { title: t('col.last-seen'), show: ({ lastSeen }) => h(Ago, { at: lastSeen }) },
          { title: t('col.signal'), show: Signal },
          {
            title: t('col.streams'),
            show: ({ streams }) => streams.map(({ stream }) => stream).join(', '),
            kind: 'minor',
          },
          { title: t('col.readings'), show: ({ readings }) => number(readings), kind: 'minor number' },
        ],
      }),
  );
}

/** Strength of a radio or charge of a battery; what is weak says so. */
export const Signal = ({ signal }: Pick<DeviceRow, 'signal'>): JSX.Element => {
  if (signal === null) return h('span', { class: 'soft' }, '–');
  const weak = signal.unit === 'dBm' || /rssi/i.test(signal.field) ? signal.value < -85 : signal.value < 20;
  return h(
    Badge,
    { tone: weak ? 'warn' : 'good' },
    `${signal.field} ${measure(signal.value)}${signal.unit ? ` ${unitText(signal.unit)}` : ''}`,
  );
};

interface Loaded {
  readonly rows: readonly DeviceRow[];
  readonly total: number | undefined;
  readonly error: unknown;
}

/** Devices by name, as far as somebody has scrolled; those in sight are asked for again every few seconds. */
function useDevices(search: string): Loaded & { seen(first: number, last: number): void } {
  const [state, set] = useState<Loaded>({ rows: [], total: undefined, error: undefined });
  const now = useRef({ search, rows: [] as DeviceRow[], total: 0, busy: false, first: 0, last: 60 });
  if (now.current.search !== search)
    now.current = { search, rows: [], total: 0, busy: false, first: 0, last: 60 };

  const load = async (refresh: boolean): Promise<void> => {
    const mine = now.current;
    if (mine.busy) return;
    mine.busy = true;
    try {
      do {
        const at = refresh ? Math.min(mine.first, mine.rows.length) : mine.rows.length;
        const limit = refresh ? Math.max(1, Math.min(PAGE, mine.last - mine.first)) : PAGE;
        const after = at === 0 ? undefined : mine.rows[at - 1]!.name;
        const page = await getPaged<DeviceRow>(
          withQuery('/api/v1/devices', { search: mine.search, after, limit }),
        );
        mine.rows.splice(at, refresh ? page.rows.length : 0, ...page.rows);
        mine.total = page.total;
        if (page.rows.length === 0) break;
      } while (!refresh && mine.rows.length < Math.min(mine.last, mine.total));
      if (now.current === mine) set({ rows: [...mine.rows], total: mine.total, error: undefined });
    } catch (error) {
      if (now.current === mine) set((before) => ({ ...before, error }));
    } finally {
      mine.busy = false;
    }
  };
  useEffect(() => {
    void load(false);
    const timer = setInterval(() => {
      if (!document.hidden) void load(true);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [search]);
  return {
    ...state,
    seen(first, last) {
      const mine = now.current;
      mine.first = first;
      mine.last = last;
      if (last > mine.rows.length && mine.rows.length < mine.total) void load(false);
    },
  };
}

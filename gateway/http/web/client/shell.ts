import { type ComponentType, Fragment, h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { messageOf, request, session } from './lib/api.ts';
import { LANGUAGES, type Language, language, t } from './lib/i18n.ts';
import { connection, overview } from './lib/live.ts';
import { href, type Route, route } from './lib/router.ts';
import { setup } from './lib/setup.ts';
import { type Theme, theme } from './lib/theme.ts';
import { MENU } from './nav.ts';
import { LoginPage } from './pages/login.ts';
import { OverviewPage } from './pages/overview.ts';
import { PAGES, type PageModule } from './pages.ts';
import type { Overview as OverviewData, SetupView } from './types.ts';
import { Icon } from './ui/icons.ts';
import { Loading, Notice, State } from './ui/parts.ts';
import { useStore } from './ui/use.ts';

/** The frame around every page: menu, state of the connection, choices of the user. */
export function Shell(): JSX.Element | null {
  const who = useStore(session);
  const where = useStore(route);
  const stands = useStore(setup);
  if (stands) return h(First, { stands });
  if (who === undefined) return h(Loading, {});
  if (who === null) return h('main', { id: 'main', class: 'alone' }, h(LoginPage, { route: null }));
  return h(
    Fragment,
    null,
    h('a', { class: 'skip', href: '#main', onClick: skip }, t('skip')),
    h(TopBar, {}),
    h(SideBar, { page: where.page }),
    h('main', { id: 'main', tabIndex: -1 }, h(Current, { route: where })),
    h(BottomBar, { page: where.page }),
  );
}

/** The first run is loaded only where there is one. */
function First({ stands }: { readonly stands: SetupView }): JSX.Element {
  const [page, show] = useState<{ component: ComponentType<{ stands: SetupView }> } | null>(null);
  useEffect(() => {
    void import('./setup/setup.ts').then(({ SetupPage }) => show({ component: SetupPage }));
  }, []);
  return page === null ? h(Loading, {}) : h(page.component, { stands });
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** The page of the address. */
function Current({ route: where }: { readonly route: Route }): JSX.Element {
  const [shown, show] = useState<{ page: string; component: PageModule } | { page: string; error: unknown }>({
    page: 'overview',
    component: OverviewPage,
  });
  const first = useRef(true);
  useEffect(() => {
    let wanted = true;
    const load = PAGES[where.page] ?? PAGES.overview!;
    load().then(
      (component) => wanted && show({ page: where.page, component }),
      (error: unknown) => wanted && show({ page: where.page, error }),
    );
    return () => {
      wanted = false;
    };
  }, [where.page]);
  const address = `${where.page}/${where.rest.join('/')}`;
  useEffect(() => {
    const heading = document.querySelector<HTMLElement>('main h1');
    document.title = [heading?.textContent, overview.value?.gateway, 'AIMX'].filter(Boolean).join(' · ');
    if (first.current) first.current = false;
    else {
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [address, shown]);
  if (shown.page !== where.page) return h(Loading, {});
  if ('error' in shown) return h(Notice, { tone: 'bad' }, h('p', null, messageOf(shown.error)));
  return h(shown.component, { route: where, key: address });
}

const Links = ({ page, only }: { page: string; only?: 'bar' }): JSX.Element =>
  h(
    Fragment,
    null,
    MENU.map(({ word, entries }) => {
      const shown = only === 'bar' ? entries.filter((entry) => entry.bar) : entries;
      const links = shown.map((entry) =>
        h(
          'a',
          {
            key: entry.page,
            href: href(entry.page),
            'aria-current': page === entry.page ? 'page' : undefined,
          },
          h(Icon, { name: entry.icon }),
          h('span', null, t(entry.word)),
          entry.page === 'alarms' && h(AlarmCount, {}),
        ),
      );
      return only === 'bar'
        ? links
        : h('div', { class: 'nav-group', key: word }, word && h('h2', null, t(word)), links);
    }),
  );

function AlarmCount(): JSX.Element | null {
  const count = alarmsOf(useStore(overview));
  return count === 0
    ? null
    : h('b', { class: 'count' }, count, h('span', { class: 'visually-hidden' }, ` ${t('nav.alarms')}`));
}

const alarmsOf = (now: OverviewData | undefined): number =>
  now ? now.alarms.critical + now.alarms.warning : 0;

const Brand = (): JSX.Element => {
  const now = useStore(overview);
  return h(
    'a',
    { class: 'brand', href: href('overview') },
    h(
      'svg',
      { viewBox: '0 0 32 32', 'aria-hidden': 'true', class: 'mark' },
      h('rect', { width: 32, height: 32, rx: 8 }),
      h('path', { d: 'M7 20l5-9 5 8 3-5 5 6' }),
    ),
    h('span', null, h('strong', null, now?.gateway ?? 'AIMX'), h('small', null, t('brand'))),
  );
};

function SideBar({ page }: { page: string }): JSX.Element {
  return h(
    'header',
    { class: 'side' },
    h(Brand, {}),
    h('nav', { 'aria-label': t('nav.label') }, h(Links, { page })),
    h(Choices, {}),
  );
}

function Connection(): JSX.Element {
  const how = useStore(connection);
  const tone = how === 'live' ? 'good' : how === 'polling' ? 'info' : 'bad';
  return h('div', { class: 'connection', role: 'status' }, h(State, { tone }, t(`connection.${how}`)));
}

function TopBar(): JSX.Element {
  return h('header', { class: 'top' }, h(Brand, {}), h(Connection, {}));
}

function BottomBar({ page }: { page: string }): JSX.Element {
  const sheet = useRef<HTMLDialogElement>(null);
  useEffect(() => sheet.current?.close(), [page]);
  return h(
    Fragment,
    null,
    h(
      'nav',
      { class: 'bar', 'aria-label': t('nav.short') },
      h(Links, { page, only: 'bar' }),
      h(
        'button',
        { type: 'button', 'aria-haspopup': 'dialog', onClick: () => sheet.current?.showModal() },
        h(Icon, { name: 'menu' }),
        h('span', null, t('nav.more')),
      ),
    ),
    h(
      'dialog',
      { ref: sheet, class: 'sheet', 'aria-label': t('nav.label'), onClick: closeOnBackdrop },
      h(
        'div',
        { class: 'sheet-body' },
        h(
          'button',
          {
            type: 'button',
            class: 'sheet-close',
            'aria-label': t('close'),
            onClick: () => sheet.current?.close(),
          },
          h(Icon, { name: 'close' }),
        ),
        h('nav', { 'aria-label': t('nav.label') }, h(Links, { page })),
        h(Choices, {}),
      ),
    ),
  );
}

function closeOnBackdrop(event: MouseEvent): void {
  if (event.target instanceof HTMLDialogElement) event.target.close();
}

const THEMES = ['auto', 'light', 'dark'] as const satisfies readonly Theme[];
const THEME_ICONS = { auto: 'auto', light: 'sun', dark: 'moon' } as const;

/** Language, light or dark, and the way out. */
function Choices(): JSX.Element {
  const chosen = useStore(theme);
  const who = useStore(session);
  const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length]!;
  const other: Language = language.value === 'en' ? 'zh' : 'en';
  return h(
    'div',
    { class: 'choices' },
    h(Connection, {}),
    h(
      'div',
      { class: 'choice-row' },
      h(
        'button',
        { type: 'button', class: 'icon-button', onClick: () => theme.set(next), title: t(`theme.${chosen}`) },
        h(Icon, { name: THEME_ICONS[chosen] }),
        h('span', { class: 'visually-hidden' }, t(`theme.${chosen}`)),
      ),
      h(
        'button',
        { type: 'button', class: 'icon-button', lang: other, onClick: () => language.set(other) },
        h(Icon, { name: 'language' }),
        LANGUAGES[other],
      ),
      who?.name === 'anonymous'
        ? h('a', { class: 'icon-button', href: href('login') }, t('login.in'))
        : h(
            'button',
            { type: 'button', class: 'icon-button', onClick: logOut, title: who?.name },
            h(Icon, { name: 'out' }),
            t('login.out'),
          ),
    ),
  );
}

function logOut(): void {
  // Nothing of what was seen stays in the memory of the page.
  request('DELETE', '/api/v1/session').finally(() => location.reload());
}

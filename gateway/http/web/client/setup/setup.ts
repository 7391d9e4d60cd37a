import { type ComponentChildren, h, type JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { claimWith, get, post, type Session, session } from '../lib/api.ts';
import { LANGUAGES, type Language, language, t } from '../lib/i18n.ts';
import { setup } from '../lib/setup.ts';
import type { SetupView } from '../types.ts';
import { Button, Notice, Problem } from '../ui/parts.ts';
import { useAction } from '../ui/use.ts';
import { Field } from './field.ts';
import { Mend } from './mend.ts';
import { Screens } from './screens.ts';

/** What is shown before the gateway runs: three screens, or what is wrong with its configuration. */
export function SetupPage({ stands }: { readonly stands: SetupView }): JSX.Element {
  const [started, start] = useState<Started | null>(null);
  if (started || stands.state === 'starting') return h(Starting, { login: started?.login });
  if (!stands.claimed) return h(Claim, { stands });
  if (stands.state === 'missing') return h(Screens, { stands, done: (login) => start({ login }) });
  return h(Frame, { wide: true }, h(Mend, { stands, done: () => start({ login: undefined }) }));
}

interface Login {
  readonly name: string;
  readonly password: string;
}
interface Started {
  readonly login: Login | undefined;
}

/** Around every screen of the first run. */
export const Frame = ({ wide, children }: { wide?: boolean; children?: ComponentChildren }): JSX.Element => {
  const other: Language = language.value === 'en' ? 'zh' : 'en';
  return h(
    'main',
    { id: 'main', class: `alone first ${wide ? 'wide-first' : ''}` },
    h(
      'div',
      { class: 'first-head' },
      h(
        'svg',
        { viewBox: '0 0 32 32', 'aria-hidden': 'true', class: 'mark' },
        h('rect', { width: 32, height: 32, rx: 8 }),
        h('path', { d: 'M7 20l5-9 5 8 3-5 5 6' }),
      ),
      h('strong', null, t('brand')),
      h(
        'button',
        { type: 'button', class: 'icon-button', lang: other, onClick: () => language.set(other) },
        LANGUAGES[other],
      ),
    ),
    children,
  );
};

/** Who may set it up: whoever can read the label or the console, or an admin of before. */
function Claim({ stands }: { stands: SetupView }): JSX.Element {
  const { busy, error, run } = useAction();
  const [code, setCode] = useState('');
  const [asAdmin, switchTo] = useState(false);
  const [name, setName] = useState('admin');
  const [password, setPassword] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      if (asAdmin) await post('/api/v1/session', { name, password });
      else claimWith((await post<{ token: string }>('/api/v1/setup/claim', { code: code.trim() })).token);
      setup.set(await get<SetupView>('/api/v1/setup'));
    });
  };
  return h(
    Frame,
    {},
    h(
      'form',
      { class: 'card gate-card', onSubmit: submit },
      h('h1', { tabIndex: -1 }, stands.state === 'missing' ? t('setup.welcome') : t('setup.broken')),
      h(
        'p',
        { class: 'soft' },
        stands.state === 'missing' ? t('setup.welcome.lead') : t('setup.broken.lead'),
      ),
      stands.error &&
        h(
          Notice,
          { tone: 'warn' },
          h('p', null, stands.error.message),
          h('p', { class: 'small' }, stands.error.fix),
        ),
      asAdmin
        ? [
            h(Field, {
              key: 'name',
              label: t('login.name'),
              value: name,
              onInput: setName,
              autocomplete: 'username',
              required: true,
            }),
            h(Field, {
              key: 'password',
              label: t('login.password'),
              type: 'password',
              value: password,
              onInput: setPassword,
              autocomplete: 'current-password',
              required: true,
            }),
          ]
        : h(Field, {
            label: t('setup.code'),
            hint: t('setup.code.hint'),
            value: code,
            onInput: setCode,
            required: true,
            autocomplete: 'off',
            code: true,
          }),
      h(Problem, { error }),
      h(Button, { type: 'submit', kind: 'primary', busy }, asAdmin ? t('login.in') : t('setup.begin')),
      stands.people &&
        h(
          'button',
          { type: 'button', class: 'link', onClick: () => switchTo(!asAdmin) },
          asAdmin ? t('setup.with-code') : t('setup.as-admin'),
        ),
    ),
  );
}

const AGAIN_MS = 1000;

/** Waits until the gateway itself answers, then goes on as the admin who was just made. */
function Starting({ login }: { login: Login | undefined }): JSX.Element {
  useEffect(() => {
    // It ends with the setup, and would only stand in the way of the login.
    claimWith(undefined);
    let timer: number;
    const look = async (): Promise<void> => {
      if (await enter(login)) return;
      timer = setTimeout(() => void look(), AGAIN_MS);
    };
    timer = setTimeout(() => void look(), AGAIN_MS);
    return () => clearTimeout(timer);
  }, []);
  return h(
    Frame,
    {},
    h(
      'div',
      { class: 'card gate-card', role: 'status' },
      h('h1', { tabIndex: -1 }, t('setup.starting')),
      h('p', { class: 'soft' }, t('setup.starting.lead')),
      h('div', { class: 'loading short' }),
    ),
  );
}

/** Whether the gateway answers; then its pages are shown. What goes wrong on the way is tried again. */
async function enter(login: Login | undefined): Promise<boolean> {
  try {
    const stands = await get<SetupView>('/api/v1/setup');
    if (stands.state === 'starting') return false;
    if (stands.state !== 'done') {
      setup.set(stands);
      return true;
    }
    if (login) await post('/api/v1/session', login);
    session.set(await get<Session>('/api/v1/session'));
    setup.set(undefined);
    return true;
  } catch {
    // Between the two servers nothing answers for a moment.
    return false;
  }
}

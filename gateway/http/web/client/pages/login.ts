import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, post, type Session, session } from '../lib/api.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import { Button, Problem } from '../ui/parts.ts';
import { useAction } from '../ui/use.ts';

/** Name and password; the answer is a cookie that no script can read. */
export function LoginPage({ route }: { readonly route: Route | null }): JSX.Element {
  const back = route ? (route.query.get('back') ?? 'overview') : undefined;
  const { busy, error, run } = useAction();
  const [name, setName] = useState('admin');
  const [password, setPassword] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), [error]);
  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      await post('/api/v1/session', { name, password });
      session.set(await get<Session>('/api/v1/session'));
      if (back !== undefined) location.hash = `#/${back.replace(/^[#/]+/, '')}`;
    });
  };
  return h(
    'div',
    { class: 'gate' },
    h(
      'form',
      { class: 'card gate-card', onSubmit: submit },
      h('h1', { tabIndex: -1 }, t('login.title')),
      h('p', { class: 'soft' }, t('login.lead')),
      h(
        'label',
        { class: 'field' },
        t('login.name'),
        h('input', {
          name: 'name',
          autocomplete: 'username',
          required: true,
          value: name,
          onInput: (event: Event) => setName((event.target as HTMLInputElement).value),
        }),
      ),
      h(
        'label',
        { class: 'field' },
        t('login.password'),
        h('input', {
          ref: field,
          name: 'password',
          type: 'password',
          autocomplete: 'current-password',
          required: true,
          value: password,
          onInput: (event: Event) => setPassword((event.target as HTMLInputElement).value),
        }),
      ),
      h(Problem, { error }),
      h(Button, { kind: 'primary', type: 'submit', busy }, t('login.in')),
      back !== undefined && h('a', { href: href('overview') }, t('login.without')),
    ),
  );
}

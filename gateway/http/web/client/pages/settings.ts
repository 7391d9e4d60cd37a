import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { mayChange, post, send, session } from '../lib/api.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { SettingsCheck, SettingsSaved, SettingsView } from '../types.ts';
import { Button, Card, Code, Loading, Notice, Page, Problem } from '../ui/parts.ts';
import { useAction, useQuery, useStore } from '../ui/use.ts';
import { Editor } from './settings-editor.ts';
import { Changes, Diff, Issues } from './settings-findings.ts';

const PATH = '/api/v1/settings';
const TYPING_MS = 500;

/** The text of gateway.yaml: checked while it is written, shown as a difference before it is saved. */
export function SettingsPage(_props: { readonly route: Route }): JSX.Element {
  useStore(session);
  const { data, error, reload } = useQuery<SettingsView>(mayChange() ? PATH : null);
  return h(
    Page,
    { title: t('nav.settings'), lead: data ? h(Code, {}, data.file) : t('settings.lead') },
    h(Problem, { error }),
    !mayChange() && h(LoginNeeded, {}),
    mayChange() && !data && !error && h(Loading, {}),
    data && h(Body, { key: 'settings', settings: data, reload }),
  );
}

function Body({ settings, reload }: { settings: SettingsView; reload: () => Promise<void> }): JSX.Element {
  const [text, write] = useState(settings.text);
  const [answer, setAnswer] = useState<{ of: string; checked: SettingsCheck } | null>(null);
  const checked = answer?.of === text ? answer.checked : null;
  const [saved, setSaved] = useState<SettingsSaved | null>(null);
  const [line, go] = useState<{ readonly at: number } | null>(null);
  const checking = useAction();
  const saving = useAction();
  const newest = useRef(text);
  newest.current = text;
  const changed = text !== settings.text;
  useEffect(() => {
    if (!changed) {
      setAnswer(null);
      return undefined;
    }
    const timer = setTimeout(() => {
      void checking.run(async () => {
        const checked = await post<SettingsCheck>(`${PATH}/check`, { text });
        if (newest.current === text) setAnswer({ of: text, checked });
      });
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, changed]);
  useEffect(() => {
    if (!changed) return undefined;
    const ask = (event: Event): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [changed]);
  const save = (): Promise<void> =>
    saving.run(async () => {
      setSaved(await send<SettingsSaved>('PUT', PATH, { text }, { 'if-match': settings.etag }));
      await reload();
    });
  // What was found last stays in sight while the next text is checked.
  const found = answer?.checked ?? null;
  const issues = found?.issues ?? (changed ? [] : settings.issues);
  return h(
    'div',
    { class: 'stack' },
    saved && h(Saved, { saved }),
    settings.restartPending &&
      !saved &&
      h(Notice, { tone: 'warn' }, h('p', null, t('settings.restart-pending')), h(Restart, {})),
    h(
      'div',
      { class: 'columns settings' },
      h(
        Card,
        { flush: true },
        h(Editor, { text, issues, line, readOnly: !mayChange(), onInput: write }),
        h(
          'div',
          { class: 'card-foot' },
          h(Verdict, { changed, checked, busy: checking.busy }),
          changed && h(Button, { onClick: () => write(settings.text) }, t('settings.discard')),
          h(
            Button,
            {
              kind: 'primary',
              disabled: !changed || checked === null || !checked.valid || !mayChange(),
              busy: saving.busy,
              onClick: () => void save(),
            },
            t('settings.save'),
          ),
        ),
      ),
      h(
        'div',
        { class: 'stack' },
        h(Problem, { error: checking.error ?? saving.error }),
        issues.length > 0 && h(Issues, { issues, go: (at) => go({ at }) }),
        found && h(Changes, { checked: found }),
        found && found.diff.length > 0 && h(Diff, { lines: found.diff }),
        !found &&
          issues.length === 0 &&
          h(Card, { title: t('settings.how') }, h('p', { class: 'soft' }, t('settings.how.text'))),
      ),
    ),
  );
}

interface VerdictProps {
  readonly changed: boolean;
  readonly checked: SettingsCheck | null;
  readonly busy: boolean;
}

function Verdict({ changed, checked, busy }: VerdictProps): JSX.Element {
  const words = !changed
    ? t('settings.unchanged')
    : busy || checked === null
      ? t('settings.checking')
      : !checked.valid
        ? t('settings.invalid', {
            count: checked.issues.filter(({ severity }) => severity === 'error').length,
          })
        : checked.restart
          ? t('settings.valid-restart')
          : t('settings.valid');
  return h('span', { class: 'verdict soft', role: 'status' }, words);
}

const LoginNeeded = (): JSX.Element =>
  h(
    Notice,
    { tone: 'info' },
    h('p', null, t('settings.login'), ' ', h('a', { href: `${href('login')}?back=settings` }, t('login.in'))),
  );

const Saved = ({ saved }: { saved: SettingsSaved }): JSX.Element =>
  h(
    Notice,
    { tone: saved.restart ? 'warn' : 'good' },
    h('p', null, h('b', null, saved.restart ? t('settings.saved-restart') : t('settings.saved'))),
    saved.backup && h('p', null, t('settings.backup'), ' ', h(Code, {}, saved.backup)),
    saved.restart && h(Restart, {}),
  );

/** Begins anew with the saved settings. */
function Restart(): JSX.Element {
  const { busy, error, run } = useAction();
  const [asked, ask] = useState(false);
  const restart = (): Promise<void> =>
    run(async () => {
      await post('/api/v1/restart');
      ask(true);
    });
  return h(
    'div',
    { class: 'card-actions' },
    asked
      ? h('p', { role: 'status' }, t('settings.restarting'))
      : h(Button, { busy, onClick: () => void restart() }, t('settings.restart')),
    h(Problem, { error }),
  );
}

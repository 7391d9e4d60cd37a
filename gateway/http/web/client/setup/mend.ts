import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { post, send } from '../lib/api.ts';
import { t } from '../lib/i18n.ts';
import { Editor } from '../pages/settings-editor.ts';
import { Diff, Issues } from '../pages/settings-findings.ts';
import type { SettingsCheck, SetupView } from '../types.ts';
import { Button, Card, Notice, Problem } from '../ui/parts.ts';
import { useAction } from '../ui/use.ts';

const TYPING_MS = 500;

/** A configuration that cannot be used, with what is wrong at its line; the gateway starts once it is right. */
export function Mend({
  stands,
  done,
}: {
  readonly stands: SetupView;
  readonly done: () => void;
}): JSX.Element {
  const [text, write] = useState(stands.text ?? '');
  const [answer, setAnswer] = useState<{ of: string; checked: SettingsCheck } | null>(null);
  const [line, go] = useState<{ readonly at: number } | null>(null);
  const checking = useAction();
  const saving = useAction();
  const newest = useRef(text);
  newest.current = text;
  useEffect(() => {
    const timer = setTimeout(() => {
      void checking.run(async () => {
        const checked = await post<SettingsCheck>('/api/v1/setup/settings/check', { text });
        if (newest.current === text) setAnswer({ of: text, checked });
      });
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const issues = answer?.checked.issues ?? stands.issues;
  const ready = answer?.of === text && answer.checked.valid;
  const save = (): Promise<void> =>
    saving.run(async () => {
      await send('PUT', '/api/v1/setup/settings', { text }, { 'if-match': stands.etag ?? '' });
      done();
    });
  return h(
    'div',
    { class: 'stack' },
    h('h1', { tabIndex: -1 }, stands.state === 'failed' ? t('setup.failed') : t('setup.broken')),
    stands.error &&
      h(
        Notice,
        { tone: 'bad' },
        h('p', null, stands.error.message),
        h('p', { class: 'fix' }, stands.error.fix),
      ),
    h(
      'div',
      { class: 'columns settings' },
      h(
        Card,
        { flush: true },
        h(Editor, { text, issues, line, readOnly: false, onInput: write }),
        h(
          'div',
          { class: 'card-foot' },
          h(
            'span',
            { class: 'verdict soft', role: 'status' },
            ready ? t('setup.right') : t('settings.invalid', { count: issues.length }),
          ),
          h(
            Button,
            { kind: 'primary', disabled: !ready, busy: saving.busy, onClick: () => void save() },
            t('setup.save-start'),
          ),
        ),
      ),
      h(
        'div',
        { class: 'stack' },
        h(Problem, { error: saving.error ?? checking.error }),
        issues.length > 0 && h(Issues, { issues, go: (at) => go({ at }) }),
        answer && answer.checked.diff.length > 0 && h(Diff, { lines: answer.checked.diff }),
      ),
    ),
  );
}

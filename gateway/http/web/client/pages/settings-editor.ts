import { h, type JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../lib/i18n.ts';
import type { SettingsIssue } from '../types.ts';

interface EditorProps {
  readonly text: string;
  readonly issues: readonly SettingsIssue[];
  /** Where to go. */
  readonly line: { readonly at: number } | null;
  readonly readOnly: boolean;
  readonly onInput: (text: string) => void;
}

/** Height of a line in px, also in the style sheet. */
const LINE = 21;

/** A plain text field with numbered lines; those with something wrong are marked. Tab leaves it, as in every form. */
export function Editor({ text, issues, line, readOnly, onInput }: EditorProps): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const count = text.split('\n').length;
  const marks = new Map(issues.map(({ line: at, severity }) => [at, severity]));
  useEffect(() => {
    const element = field.current;
    if (line === null || !element) return;
    const start =
      text
        .split('\n')
        .slice(0, line.at - 1)
        .join('\n').length + (line.at > 1 ? 1 : 0);
    const end = text.indexOf('\n', start);
    element.focus();
    element.setSelectionRange(start, end < 0 ? text.length : end);
    element.scrollTop = Math.max(0, (line.at - 6) * LINE);
  }, [line]);
  return h(
    'div',
    { class: 'editor' },
    h(
      'div',
      { class: 'gutter', ref: gutter, 'aria-hidden': 'true' },
      Array.from({ length: count }, (_, i) => h('span', { key: i, class: marks.get(i + 1) }, i + 1)),
    ),
    h('textarea', {
      ref: field,
      value: text,
      readOnly,
      spellcheck: false,
      wrap: 'off',
      autocapitalize: 'off',
      autocomplete: 'off',
      'aria-label': t('settings.text'),
      'aria-invalid': issues.some(({ severity }) => severity === 'error') ? 'true' : undefined,
      onInput: (event: Event) => onInput((event.target as HTMLTextAreaElement).value),
      onScroll: (event: Event) => {
        if (gutter.current) gutter.current.scrollTop = (event.target as HTMLTextAreaElement).scrollTop;
      },
    }),
  );
}

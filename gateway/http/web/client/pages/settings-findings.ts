import { h, type JSX } from 'preact';
import { t } from '../lib/i18n.ts';
import type { SettingsCheck, SettingsIssue } from '../types.ts';
import { Badge, Card, Code } from '../ui/parts.ts';

/** What is wrong, each with the way to its line. */
export const Issues = ({
  issues,
  go,
}: {
  issues: readonly SettingsIssue[];
  go: (line: number) => void;
}): JSX.Element =>
  h(
    Card,
    { title: t('settings.issues') },
    h(
      'ul',
      { class: 'issues', role: 'alert' },
      issues.map((issue) =>
        h(
          'li',
          { key: `${issue.line}:${issue.column} ${issue.message}`, class: issue.severity },
          h(
            'button',
            { type: 'button', class: 'link', onClick: () => go(issue.line) },
            t('settings.at', { line: issue.line, column: issue.column }),
          ),
          ' ',
          issue.path && h(Code, {}, issue.path),
          h('p', null, h('b', null, issue.message)),
          issue.received !== null &&
            h('p', { class: 'soft small' }, t('settings.received'), ' ', h(Code, {}, issue.received)),
          h('p', { class: 'soft small' }, t('settings.expected'), ' ', issue.expected),
          h('p', { class: 'small' }, issue.fix),
        ),
      ),
    ),
  );

/** Settings that differ from what runs now, and which of them need a restart. */
export const Changes = ({ checked }: { checked: SettingsCheck }): JSX.Element | null =>
  checked.changes.length === 0
    ? null
    : h(
        Card,
        { title: t('settings.changes') },
        h(
          'ul',
          { class: 'changes' },
          checked.changes.map((change) =>
            h(
              'li',
              { key: change.path },
              h(
                'div',
                null,
                h(Code, {}, change.path),
                ' ',
                h(
                  Badge,
                  { tone: change.restart ? 'warn' : 'good' },
                  change.restart ? t('settings.needs-restart') : t('settings.at-once'),
                ),
              ),
              h(
                'p',
                { class: 'soft small' },
                change.before !== null && h('del', null, change.before),
                change.before !== null && change.after !== null && ' → ',
                change.after !== null && h('ins', null, change.after),
              ),
            ),
          ),
        ),
      );

const SIGNS = { same: ' ', added: '+', removed: '−' } as const;

export const Diff = ({ lines }: { lines: SettingsCheck['diff'] }): JSX.Element =>
  h(
    Card,
    { title: t('settings.diff'), flush: true },
    h(
      'pre',
      { class: 'diff', tabIndex: 0, role: 'region', 'aria-label': t('settings.diff') },
      lines.map((line, i) =>
        h(
          'span',
          { key: i, class: line.kind },
          `${String(line.line).padStart(4)} ${SIGNS[line.kind]} ${line.text}\n`,
        ),
      ),
    ),
  );

import { type ComponentChildren, h, type JSX } from 'preact';
import { ApiError, messageOf } from '../lib/api.ts';
import { ago, dateTime } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { Icon, type IconName } from './icons.ts';
import { useNow } from './use.ts';

/** Small parts that pages are made of. */

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain';

interface PageProps {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  /** Where it belongs: address and name of the page above. */
  readonly above?: readonly [href: string, name: string];
  readonly children?: ComponentChildren;
}

/** A page: its heading (which gets the focus when the page is opened), a line about it, what can be done, the rest. */
export const Page = ({ title, lead, actions, above, children }: PageProps): JSX.Element =>
  h(
    'div',
    { class: 'page' },
    h(
      'div',
      { class: 'page-head' },
      h(
        'div',
        { class: 'page-title' },
        above && h('a', { class: 'above', href: above[0] }, above[1]),
        h('h1', { tabIndex: -1 }, title),
        lead && h('p', { class: 'lead' }, lead),
      ),
      actions && h('div', { class: 'actions' }, actions),
    ),
    children,
  );

interface CardProps {
  readonly title?: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly class?: string;
  readonly flush?: boolean;
  readonly children?: ComponentChildren;
}

export const Card = ({ title, note, class: kind, flush, children }: CardProps): JSX.Element =>
  h(
    'section',
    { class: `card ${kind ?? ''} ${flush ? 'flush' : ''}` },
    (title || note) &&
      h(
        'div',
        { class: 'card-head' },
        title && h('h2', null, title),
        note && h('div', { class: 'note' }, note),
      ),
    children,
  );

export const Badge = ({
  tone = 'plain',
  children,
}: {
  tone?: Tone;
  children?: ComponentChildren;
}): JSX.Element => h('span', { class: `badge ${tone}` }, children);

/** A state: a dot whose colour says the same as the words. */
export const State = ({ tone, children }: { tone: Tone; children?: ComponentChildren }): JSX.Element =>
  h('span', { class: `state ${tone}` }, h('i', { class: 'dot', 'aria-hidden': 'true' }), children);

interface FigureProps {
  readonly label: ComponentChildren;
  readonly value: ComponentChildren;
  readonly unit?: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: Tone | undefined;
}

/** A number with its name. */
export const Figure = ({ label, value, unit, note, tone }: FigureProps): JSX.Element =>
  h(
    'div',
    { class: `figure ${tone ?? ''}` },
    h('dt', null, label),
    h('dd', null, h('span', { class: 'value' }, value), unit && h('span', { class: 'unit' }, unit)),
    note && h('dd', { class: 'note' }, note),
  );

export const Figures = ({ children }: { children?: ComponentChildren }): JSX.Element =>
  h('dl', { class: 'figures' }, children);

/** Names and what they are, one a line. */
export const Facts = ({
  of,
}: {
  of: readonly (readonly [ComponentChildren, ComponentChildren] | null)[];
}): JSX.Element =>
  h(
    'dl',
    { class: 'facts' },
    of
      .filter((one) => one !== null)
      .map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
  );

/** What stands where there is nothing yet, and why. */
export const Empty = ({ icon, children }: { icon?: IconName; children?: ComponentChildren }): JSX.Element =>
  h('div', { class: 'empty' }, icon && h(Icon, { name: icon }), h('p', null, children));

export const Loading = (): JSX.Element =>
  h('div', { class: 'loading', role: 'status' }, h('span', { class: 'visually-hidden' }, t('loading')));

/** An error of the gateway with what to do about it. */
export const Problem = ({ error }: { error: unknown }): JSX.Element | null => {
  if (error === undefined || error === null) return null;
  const fix = error instanceof ApiError ? error.fix : undefined;
  return h(
    'div',
    { class: 'notice bad', role: 'alert' },
    h(Icon, { name: 'warning' }),
    h('div', null, h('p', null, messageOf(error)), fix && h('p', { class: 'fix' }, fix)),
  );
};

export const Notice = ({ tone, children }: { tone: Tone; children?: ComponentChildren }): JSX.Element =>
  h(
    'div',
    { class: `notice ${tone}` },
    h(Icon, { name: tone === 'good' ? 'check' : 'warning' }),
    h('div', null, children),
  );

/** How long ago, with the exact time to hover over; moves by itself. */
export const Ago = ({ at }: { at: number | null | undefined }): JSX.Element => {
  const now = useNow();
  return at
    ? h('time', { dateTime: new Date(at).toISOString(), title: dateTime(at) }, ago(Math.min(at, now), now))
    : h('span', { class: 'soft' }, '–');
};

/** A share of something as a bar. */
export const Meter = ({
  share,
  label,
  tone = 'info',
}: {
  share: number;
  label: string;
  tone?: Tone;
}): JSX.Element =>
  h(
    'div',
    {
      class: `meter ${tone}`,
      role: 'meter',
      'aria-label': label,
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      'aria-valuenow': Math.round(100 * Math.min(1, share)),
    },
    h('i', { style: { width: `${100 * Math.min(1, Math.max(0, share))}%` } }),
  );

interface ButtonProps {
  readonly onClick?: () => void;
  readonly kind?: 'primary' | 'plain' | 'danger' | 'quiet';
  readonly type?: 'button' | 'submit';
  readonly busy?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  readonly title?: string;
  readonly pressed?: boolean;
  readonly children?: ComponentChildren;
}

export const Button = ({
  onClick,
  kind = 'plain',
  type = 'button',
  busy,
  disabled,
  title,
  pressed,
  children,
}: ButtonProps): JSX.Element =>
  h(
    'button',
    {
      type,
      class: `button ${kind}`,
      onClick,
      disabled: disabled || busy,
      title,
      'aria-busy': busy ? 'true' : undefined,
      'aria-pressed': pressed,
    },
    children,
  );

/** Text in the letters of machines: hashes, ids, addresses. Broken anywhere rather than over the edge. */
export const Code = ({ children, title }: { children?: ComponentChildren; title?: string }): JSX.Element =>
  h('code', { title }, children);

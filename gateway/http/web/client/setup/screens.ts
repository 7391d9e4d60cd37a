import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../lib/api.ts';
import { t } from '../lib/i18n.ts';
import type { SetupDone, SetupView, StepAnswer } from '../types.ts';
import { Button, Notice, Problem } from '../ui/parts.ts';
import { useAction } from '../ui/use.ts';
import { adminOf, type Entries, linksOf, noEntries, placeOf } from './entries.ts';
import { AdminScreen, LinksScreen, PlaceScreen } from './screen-fields.ts';
import { Frame } from './setup.ts';

const STEPS = ['place', 'admin', 'links'] as const;
type Step = (typeof STEPS)[number];

const OF = { place: placeOf, admin: adminOf, links: linksOf };
const SCREENS = { place: PlaceScreen, admin: AdminScreen, links: LinksScreen };

interface ScreensProps {
  readonly stands: SetupView;
  readonly done: (login: { name: string; password: string } | undefined) => void;
}

/** Three screens; each is checked by the gateway before the next, and says at its entries what is wrong. */
export function Screens({ stands, done }: ScreensProps): JSX.Element {
  const steps: readonly Step[] = stands.people ? ['place', 'links'] : STEPS;
  const [at, setAt] = useState(0);
  const [entries, set] = useState<Entries>(() => noEntries(stands.suggested?.name ?? ''));
  const [answer, setAnswer] = useState<StepAnswer | null>(null);
  const { busy, error, run } = useAction();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [at]);
  const step = steps[at]!;
  const last = at === steps.length - 1;
  const unequal = step === 'admin' && entries.password !== entries.again;

  const next = (event: Event): void => {
    event.preventDefault();
    if (unequal) {
      setAnswer({
        ok: false,
        notes: [],
        problems: [{ field: 'again', code: '', message: t('setup.again.wrong'), fix: t('setup.again.fix') }],
      });
      return;
    }
    void run(async () => {
      const checked = await post<StepAnswer>(`/api/v1/setup/check/${step}`, OF[step](entries));
      setAnswer(checked);
      if (!checked.ok) return;
      if (!last) {
        setAt(at + 1);
        setAnswer(null);
        return;
      }
      const admin = stands.people ? undefined : adminOf(entries);
      await post<SetupDone>('/api/v1/setup', {
        place: placeOf(entries),
        ...(admin ? { admin } : {}),
        links: linksOf(entries),
      });
      done(admin);
    });
  };
  const problems = answer?.problems ?? [];
  const whole = problems.filter(({ field }) => field === '');
  return h(
    Frame,
    {},
    h(
      'form',
      { class: 'card gate-card screen', onSubmit: next, noValidate: true },
      h(
        'ol',
        { class: 'dots', 'aria-label': t('setup.steps', { at: at + 1, of: steps.length }) },
        steps.map((one, i) =>
          h(
            'li',
            {
              key: one,
              class: `step-dot ${i <= at ? 'done' : ''}`,
              'aria-current': i === at ? 'step' : undefined,
            },
            t(`setup.${one}`),
          ),
        ),
      ),
      h('h1', { tabIndex: -1, ref: heading }, t(`setup.${step}.title`)),
      h(SCREENS[step], {
        entries,
        change: (values) => set((before) => ({ ...before, ...values })),
        problemOf: (field) => problems.find((one) => one.field === field),
        wifi: stands.wifi.available,
      }),
      whole.map(({ message, fix }) =>
        h(Notice, { key: message, tone: 'bad' }, h('p', null, message), h('p', { class: 'fix' }, fix)),
      ),
      answer?.ok && answer.notes.map((note) => h(Notice, { key: note, tone: 'good' }, h('p', null, note))),
      h(Problem, { error }),
      h(
        'div',
        { class: 'confirm-actions' },
        at > 0 &&
          h(
            Button,
            {
              onClick: () => {
                setAt(at - 1);
                setAnswer(null);
              },
            },
            t('setup.back'),
          ),
        h(Button, { type: 'submit', kind: 'primary', busy }, last ? t('setup.finish') : t('setup.next')),
      ),
    ),
  );
}

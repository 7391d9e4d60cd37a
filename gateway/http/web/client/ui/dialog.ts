import { type ComponentChildren, h, type JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../lib/i18n.ts';
import { Button } from './parts.ts';

interface ConfirmProps {
  readonly title: string;
  readonly yes: string;
  readonly danger?: boolean;
  readonly busy?: boolean;
  readonly disabled?: boolean;
  readonly onYes: () => void;
  readonly onNo: () => void;
  readonly children?: ComponentChildren;
}

/** Asks before something is done. The browser keeps the focus in it and closes it with Escape. */
export function Confirm({
  title,
  yes,
  danger,
  busy,
  disabled,
  onYes,
  onNo,
  children,
}: ConfirmProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
    return () => element.close();
  }, []);
  return h(
    'dialog',
    { ref: dialog, class: 'confirm', 'aria-labelledby': name, onCancel: onNo, onClose: onNo },
    h(
      'form',
      {
        onSubmit: (event: Event) => {
          event.preventDefault();
          onYes();
        },
      },
      h('h2', { id: name }, title),
      children,
      h(
        'div',
        { class: 'confirm-actions' },
        h(Button, { onClick: onNo }, t('cancel')),
        h(Button, { type: 'submit', kind: danger ? 'danger' : 'primary', busy, disabled }, yes),
      ),
    ),
  );
}

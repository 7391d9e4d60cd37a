import { h, type JSX } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (text: string) => void;
  readonly hint?: string;
  readonly type?: 'text' | 'password' | 'url' | 'number';
  readonly autocomplete?: string;
  readonly required?: boolean;
  readonly placeholder?: string;
  /** Letters of machines. */
  readonly code?: boolean;
  /** What is wrong with it, and what to do. */
  readonly problem?: { readonly message: string; readonly fix: string } | undefined;
}

/** A labelled entry that says under itself what is wrong with it. */
export function Field({
  label,
  value,
  onInput,
  hint,
  type = 'text',
  problem,
  code,
  ...rest
}: FieldProps): JSX.Element {
  const id = useId();
  const about = [hint && `${id}-hint`, problem && `${id}-wrong`].filter(Boolean).join(' ');
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    h('input', {
      ...rest,
      id,
      type,
      value,
      class: code ? 'mono' : undefined,
      spellcheck: false,
      'aria-describedby': about || undefined,
      'aria-invalid': problem ? 'true' : undefined,
      onInput: (event: Event) => onInput((event.target as HTMLInputElement).value),
    }),
    hint && h('small', { id: `${id}-hint` }, hint),
    problem &&
      h('span', { id: `${id}-wrong`, class: 'wrong', role: 'alert' }, `${problem.message}. ${problem.fix}`),
  );
}

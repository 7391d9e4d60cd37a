import { query } from './query.ts';

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly topic?: string;
}

interface Widget {
  autoComplete(options: object): void;
}

declare const $: (selector: string) => Widget;

export interface FillOptions {
  /** `streams`, `devices`, `pipelines`, `aggregates`, `models`, `alarms`. */
  readonly what: string;
  /** Element whose value narrows the list: a stream for devices. */
  readonly of?: string;
  /** Told of each choice that was made from the list. */
  readonly pick?: (choice: Choice) => void;
}

export const input = (id: string): HTMLInputElement | null =>
  document.querySelector<HTMLInputElement>(`#node-input-${id}`);

export const gatewayId = (): string => input('gateway')?.value ?? '';

/** Below the field: why there is no list. */
function hint(field: HTMLInputElement, text: string): void {
  const row = field.closest('.form-row') ?? field.parentElement;
  let line = row?.querySelector<HTMLElement>('.aimx-hint');
  if (!line && text !== '') {
    line = document.createElement('div');
    line.className = 'aimx-hint form-tips';
    line.setAttribute('role', 'status');
    row?.append(line);
  }
  if (line) {
    line.textContent = text;
    line.hidden = text === '';
  }
}

/** Lets a field complete from what the gateway has now; anything else may be typed too. */
export function fill(id: string, { what, of, pick }: FillOptions): void {
  const field = input(id);
  if (!field) return;
  let last: readonly Choice[] = [];
  $(`#node-input-${id}`).autoComplete({
    minLength: 0,
    search: (typed: string, done: (matches: readonly Choice[]) => void) => {
      query(gatewayId(), what, of === undefined ? '' : (input(of)?.value ?? '')).then(
        (answer) => {
          last = answer as readonly Choice[];
          hint(field, '');
          const text = typed.toLowerCase();
          const found = last.filter(({ value, label }) => `${value} ${label}`.toLowerCase().includes(text));
          // A field that holds a choice already shows all of them.
          done(last.some(({ value }) => value === typed) ? last : found);
        },
        (error: Error) => {
          hint(field, error.message);
          done([]);
        },
      );
    },
  });
  field.addEventListener('change', () => {
    const choice = last.find(({ value }) => value === field.value);
    if (choice) pick?.(choice);
  });
}

/** Shows rows of the class `aimx-if-<id>` only where their `data-value` names what the field holds. */
export function toggle(id: string): void {
  const field = input(id);
  if (!field) return;
  const show = (): void => {
    for (const row of document.querySelectorAll<HTMLElement>(`.aimx-if-${id}`))
      row.hidden = !(row.dataset.value ?? '').split(' ').includes(field.value);
  };
  field.addEventListener('change', show);
  show();
}

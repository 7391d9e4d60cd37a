import { query } from './query.ts';

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly topic?: string;
}

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

/** Lets a field complete from what the gateway has at that moment; anything else may be typed too. */
export function fill(id: string, { what, of, pick }: FillOptions): void {
  const field = input(id);
  if (!field) return;
  const list = document.createElement('datalist');
  list.id = `aimx-list-${id}`;
  field.after(list);
  field.setAttribute('list', list.id);
  field.autocomplete = 'off';
  let choices: readonly Choice[] = [];
  const ask = (): void => {
    query(gatewayId(), what, of === undefined ? '' : (input(of)?.value ?? '')).then(
      (answer) => {
        choices = answer as readonly Choice[];
        list.replaceChildren(...choices.map(({ value, label }) => new Option(label, value)));
        hint(field, '');
      },
      (error: Error) => {
        list.replaceChildren();
        hint(field, error.message);
      },
    );
  };
  // Also before it is looked at, so that the list is there at the first click.
  ask();
  field.addEventListener('focus', ask);
  for (const other of ['gateway', of]) if (other) input(other)?.addEventListener('change', ask);
  field.addEventListener('change', () => {
    const choice = choices.find(({ value }) => value === field.value);
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

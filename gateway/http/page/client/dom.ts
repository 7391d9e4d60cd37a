/** Small helpers to build the page. Text is always set as text, so nothing a device sends becomes markup. */

export type Child = Node | string | number | null | undefined;

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

export function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>>,
  ...children: Child[]
): HTMLElement {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value) node.setAttribute(key, value);
  node.append(...children.map((child) => (child instanceof Node ? child : String(child ?? '–'))));
  return node;
}

export function svg(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

/** A column of a table: title, what a row shows, class. */
export type Column<T> = readonly [title: string, value: (row: T) => Child, kind?: string];

/** A table, or a sentence when there are no rows. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string): HTMLElement {
  if (rows.length === 0) return element('p', { class: 'faint' }, empty);
  const head = columns.map(([title, , kind]) => element('th', { class: kind, scope: 'col' }, title));
  const lines = rows.map((row) =>
    element('tr', {}, ...columns.map(([, value, kind]) => element('td', { class: kind }, value(row)))),
  );
  const whole = element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...lines),
  );
  return element('div', { class: 'scroll' }, whole);
}

const shown = new Map<string, string>();

/** Replaces what stands in `#id` when its data has changed, so that marking and copying text is not disturbed. */
export function show(id: string, data: unknown, build: () => readonly Node[]): void {
  const key = JSON.stringify(data);
  if (shown.get(id) === key) return;
  shown.set(id, key);
  byId(id).replaceChildren(...build());
}

import { type ComponentChildren, h, type JSX } from 'preact';

/** A column: its title, what it shows of a row, and how. */
export interface Column<T> {
  readonly title: string;
  readonly show: (row: T) => ComponentChildren;
  /** `number`: right and of even width; `wide`: takes what is left; `minor`: not on small screens. */
  readonly kind?: 'number' | 'wide' | 'minor' | 'action';
}

interface TableProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (row: T) => string | number;
  /** Address of the page about a row. */
  readonly link?: (row: T) => string;
}

/** A table that scrolls sideways within itself when the screen is too small for it. */
export function Table<T>({ label, rows, columns, keyOf, link }: TableProps<T>): JSX.Element {
  return h(
    'div',
    { class: 'table', role: 'region', 'aria-label': label, tabIndex: 0 },
    h(
      'table',
      null,
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          columns.map(({ title, kind }) => h('th', { scope: 'col', class: kind }, title)),
        ),
      ),
      h(
        'tbody',
        null,
        rows.map((row) =>
          h(
            'tr',
            { key: keyOf(row) },
            columns.map(({ show, kind }, i) => {
              const content = i === 0 && link ? h('a', { href: link(row) }, show(row)) : show(row);
              return i === 0
                ? h('th', { scope: 'row', class: kind }, content)
                : h('td', { class: kind }, content);
            }),
          ),
        ),
      ),
    ),
  );
}

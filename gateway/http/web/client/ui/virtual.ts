import { type ComponentChildren, h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface VirtualColumn<T> {
  readonly title: string;
  readonly show: (row: T) => ComponentChildren;
  readonly kind?: 'minor' | 'minor number';
}

interface VirtualProps<T> {
  readonly label: string;
  /** Of all rows, also those that are not there yet. */
  readonly total: number;
  readonly rows: readonly (T | undefined)[];
  readonly columns: readonly VirtualColumn<T>[];
  readonly link: (row: T) => string;
  /** Tells which rows are in sight. */
  readonly seen: (first: number, last: number) => void;
}

/** Height of a row in px, also in the style sheet. */
const ROW = 52;
/** Of the titles, with the border around. */
const HEAD = 42;
/** Rows above and below what is in sight. */
const SPARE = 8;

/** A table of any length: only the rows in sight are in the document. Scrolls by wheel, finger and keyboard. */
export function VirtualTable<T>({ label, total, rows, columns, link, seen }: VirtualProps<T>): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = box.current!;
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);
  const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
  const last = Math.min(total, Math.ceil((view.top + view.height) / ROW) + SPARE);
  useEffect(() => seen(first, last), [first, last, total]);
  return h(
    'div',
    {
      class: 'virtual',
      ref: box,
      tabIndex: 0,
      role: 'table',
      'aria-label': label,
      'aria-rowcount': total + 1,
      style: { maxHeight: `${total * ROW + HEAD}px` },
    },
    h(
      'div',
      { class: 'virtual-row head', role: 'row', 'aria-rowindex': 1 },
      columns.map(({ title, kind }) => h('span', { key: title, role: 'columnheader', class: kind }, title)),
    ),
    h(
      'div',
      { class: 'virtual-body', role: 'rowgroup', style: { height: `${total * ROW}px` } },
      Array.from({ length: last - first }, (_, i) => {
        const index = first + i;
        const row = rows[index];
        return h(
          'div',
          {
            key: index,
            class: 'virtual-row',
            role: 'row',
            'aria-rowindex': index + 2,
            style: { transform: `translateY(${index * ROW}px)` },
          },
          columns.map(({ title, show, kind }, column) =>
            h(
              'span',
              { key: title, role: column === 0 ? 'rowheader' : 'cell', class: kind },
              row === undefined ? '…' : column === 0 ? h('a', { href: link(row) }, show(row)) : show(row),
            ),
          ),
        );
      }),
    ),
  );
}

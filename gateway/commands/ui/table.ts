import { stripVTControlCharacters } from 'node:util';

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number | null | undefined;
  readonly align?: 'left' | 'right';
}

/** Rows as aligned text, two spaces between columns; the last column is not padded. Colours do not count as width. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = rows.map((row) => columns.map((column) => plain(column.value(row))));
  const widths = columns.map((column, index) =>
    Math.max(width(column.title), ...cells.map((line) => width(line[index]!))),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, index) => {
        const space = ' '.repeat(widths[index]! - width(text));
        if (columns[index]!.align === 'right') return space + text;
        return index === texts.length - 1 ? text : text + space;
      })
      .join('  ');
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join('\n');
}

const width = (text: string): number => [...stripVTControlCharacters(text)].length;

/** Control characters of foreign names must not reach a terminal, except the colours we add. */
const plain = (value: string | number | null | undefined): string =>
  value === null || value === undefined ? '-' : escapeControls(String(value));

/** Shows control characters as `\xNN`, but lets the colour sequences of {@link Style} through. */
export function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\u001b\[\d{1,2}m|[\u0000-\u001f\u007f-\u009f]/g, (match) =>
    match.length > 1 ? match : `\\x${match.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NewReading, ReadingValue } from '../../ports/reading.ts';
import { compileField } from '../fields/field.ts';
import { ShapeTable } from '../fields/names.ts';
import { compileTime } from '../fields/time.ts';
import { type Decoder, MAX_FIELDS, MAX_READINGS, stamp } from './decoder.ts';
import { plainText, scalar } from './text.ts';
import { textOf } from './text-of.ts';
import { tooMany, tooManyFields } from './tree.ts';

/** Most cells of a line: configured columns are wanted from wide exports too. */
const MAX_COLUMNS = 1024;

/**
 * CSV (RFC 4180): a reading per line. Columns are named by `csv.columns`, else by the first line of each payload. A
 * field takes the column of its `path`, else of its name; without fields every column but the time is one. An empty
 * cell is an absent value.
 */
export function csvDecoder(stream: StreamConfig): Decoder {
  const delimiter = stream.csv?.delimiter ?? ',';
  const columns = stream.csv?.columns;
  const time = stream.time && { column: columnOf(stream.time.path), parse: compileTime(stream.time).parse };
  const rowReader = stream.fields ? configuredRows(stream.fields) : plainRows(time?.column);

  return (payload, context) => {
    const rows = parseCsv(textOf(payload), delimiter);
    const header = columns ?? rows[0] ?? [];
    const first = columns ? 0 : 1;
    if (rows.length <= first) {
      throw new GatewayError('DECODE_EMPTY', 'the payload has no line of values', {
        expected: columns ? 'a line of values' : 'a line of column names, then lines of values',
      });
    }
    if (rows.length - first > MAX_READINGS) throw tooMany(rows.length - first);
    const read = rowReader(header);
    const timeIndex = time ? header.indexOf(time.column) : -1;
    const readings: NewReading[] = [];
    for (let i = first; i < rows.length; i++) {
      const row = rows[i]!;
      if (row.length !== header.length) throw unevenRow(i + 1, row.length, header.length);
      const at = time?.parse(timeIndex < 0 ? undefined : row[timeIndex]);
      readings.push(stamp(context.device ?? context.fallbackDevice, at, read(row), context));
    }
    return readings;
  };
}

/** `$.name` and `name` both mean the column `name`. */
const columnOf = (path: string): string => (path.startsWith('$.') ? path.slice(2) : path);

type RowReader = (row: readonly string[]) => ReadingValue;

function configuredRows(
  config: NonNullable<StreamConfig['fields']>,
): (header: readonly string[]) => RowReader {
  const fields = Object.entries(config).map(([name, field]) => ({
    column: columnOf(field.path ?? name),
    field: compileField(name, field),
  }));
  const names = Object.freeze(fields.map(({ field }) => field.name));
  return (header) => {
    const indexes = fields.map(({ column }) => header.indexOf(column));
    return (row) => {
      const values = fields.map(({ field }, i): FieldValue => {
        const cell = indexes[i]! < 0 ? '' : row[indexes[i]!]!.trim();
        return field.convert(cell === '' ? undefined : scalar(cell, field.config.type));
      });
      return { fields: names, values };
    };
  };
}

function plainRows(timeColumn: string | undefined): (header: readonly string[]) => RowReader {
  const shapes = new ShapeTable();
  return (header) => {
    const wanted = header.flatMap((name, index) =>
      name === timeColumn ? [] : [{ name: name.trim(), index }],
    );
    if (wanted.length > MAX_FIELDS) throw tooManyFields();
    const names = shapes.intern(
      wanted.map(({ name }) => name),
      wanted.length,
    );
    if (new Set(names).size !== names.length) {
      throw new GatewayError('DECODE_NAME', 'two columns have one name', {
        received: names.join().slice(0, 200),
      });
    }
    return (row) => ({
      fields: names,
      values: wanted.map(({ name, index }): FieldValue => {
        const cell = row[index]!.trim();
        return cell === '' ? null : plainText(name, cell);
      }),
    });
  };
}

const unevenRow = (line: number, cells: number, columns: number): GatewayError =>
  new GatewayError('DECODE_SYNTAX', `line ${line} has ${cells} cells`, {
    received: cells,
    expected: `${columns}, one for each column`,
  });

/** Lines of cells; blank lines are skipped. @throws GatewayError DECODE_SYNTAX, DECODE_LIMIT */
export function parseCsv(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  const endRow = (): void => {
    if (row.length > 1 || row[0] !== '') rows.push(row);
    if (rows.length > MAX_READINGS + 1) throw tooMany(rows.length);
    row = [];
  };
  while (at <= text.length) {
    const cell = text[at] === '"' ? quotedCell(text, at, delimiter) : plainCell(text, at, delimiter);
    row.push(cell.value);
    if (row.length > MAX_COLUMNS) {
      throw new GatewayError('DECODE_LIMIT', `a line has more than ${MAX_COLUMNS} cells`);
    }
    at = cell.end;
    if (text[at] === delimiter) {
      at++;
    } else {
      endRow();
      at += text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1;
    }
  }
  return rows;
}

interface Cell {
  readonly value: string;
  /** Index of the delimiter, line end or end of text after the cell. */
  readonly end: number;
}

function plainCell(text: string, start: number, delimiter: string): Cell {
  let end = start;
  while (end < text.length && text[end] !== delimiter && text[end] !== '\n' && text[end] !== '\r') end++;
  return { value: text.slice(start, end), end };
}

/** RFC 4180 §2 rules 5 to 7: a quoted cell may hold delimiters, line ends and doubled quotes. */
function quotedCell(text: string, start: number, delimiter: string): Cell {
  let value = '';
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0)
      throw new GatewayError('DECODE_SYNTAX', 'a quoted cell is not closed', { expected: 'a closing "' });
    value += text.slice(from, quote);
    if (text[quote + 1] !== '"') {
      const next = text[quote + 1];
      if (next !== undefined && next !== delimiter && next !== '\n' && next !== '\r') {
        throw new GatewayError('DECODE_SYNTAX', 'text follows a quoted cell', { received: next });
      }
      return { value, end: quote + 1 };
    }
    value += '"';
    from = quote + 2;
  }
}

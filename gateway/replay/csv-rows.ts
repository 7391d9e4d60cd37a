import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { GatewayError } from '../errors.ts';
import { parseCsv } from '../ingest/decode/csv.ts';
import { DECIMAL } from '../ingest/fields/time.ts';
import { parseRecordedTime } from './recorded-time.ts';

export type RecordedValue = number | string | boolean;

/** One line of a recording. */
export interface RecordedRow {
  readonly line: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** From the column `device`, when there is one. */
  readonly device: string | undefined;
  /** In the order of {@link Recording.columns}; null for an empty cell. */
  readonly values: readonly (RecordedValue | null)[];
}

export interface BadRow {
  readonly line: number;
  readonly problem: string;
}

/** A CSV file as a recording: its columns, then its rows, read as they are asked for. */
export interface Recording {
  /** Value columns: all but the time and the device. */
  readonly columns: readonly string[];
  readonly totalBytes: number;
  /** Bytes read so far. */
  readonly readBytes: number;
  rows(): AsyncGenerator<RecordedRow | BadRow>;
  close(): void;
}

const TIME_COLUMNS = ['timestamp', 'time', 'ts', 'datetime', 'date'];
const DEVICE_COLUMN = 'device';

/** @throws GatewayError REPLAY_FILE when it cannot be read or has no header with a time column */
export async function openRecording(file: string, delimiter = ','): Promise<Recording> {
  const totalBytes = await stat(file).then(
    (info) => info.size,
    (error: Error) => {
      throw new GatewayError('REPLAY_FILE', `cannot read ${file}: ${error.message}`, { cause: error });
    },
  );
  const stream = createReadStream(file);
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  // Errors of the stream come out of the iterator; this keeps them from being thrown a second time.
  const lines = linesOf(reader, stream);
  const close = () => {
    reader.close();
    stream.destroy();
  };
  try {
    const first = await lines.next();
    const header = first.done
      ? []
      : cells(first.value.text.replace(/^\ufeff/, ''), delimiter).map((c) => c.trim());
    const lower = header.map((name) => name.toLowerCase());
    const timeName = TIME_COLUMNS.find((name) => lower.includes(name));
    if (timeName === undefined) {
      throw new GatewayError('REPLAY_FILE', `${file} has no time column`, {
        received: header.join(delimiter).slice(0, 200),
        expected: `a header line with a column ${TIME_COLUMNS.slice(0, 2).join(' or ')}`,
      });
    }
    const timeAt = lower.indexOf(timeName);
    const deviceAt = lower.indexOf(DEVICE_COLUMN);
    const valuesAt = header.map((_, i) => i).filter((i) => i !== timeAt && i !== deviceAt);
    return {
      columns: valuesAt.map((i) => header[i]!),
      totalBytes,
      get readBytes() {
        return stream.bytesRead;
      },
      close,
      async *rows() {
        for await (const { text, number } of lines) {
          if (text.trim() === '') continue;
          yield readRow(text, number, { header, delimiter, timeAt, deviceAt, valuesAt });
        }
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

interface Layout {
  readonly header: readonly string[];
  readonly delimiter: string;
  readonly timeAt: number;
  readonly deviceAt: number;
  readonly valuesAt: readonly number[];
}

function readRow(text: string, line: number, layout: Layout): RecordedRow | BadRow {
  let row: readonly string[];
  try {
    row = cells(text, layout.delimiter);
  } catch (error) {
    return { line, problem: (error as Error).message };
  }
  if (row.length !== layout.header.length) {
    return { line, problem: `${row.length} cells, the header has ${layout.header.length}` };
  }
  const time = parseRecordedTime(row[layout.timeAt]!);
  if (time === undefined)
    return { line, problem: `${JSON.stringify(row[layout.timeAt]!.slice(0, 40))} is no time` };
  const device = layout.deviceAt < 0 ? undefined : row[layout.deviceAt]!.trim();
  return { line, time, device, values: layout.valuesAt.map((i) => cellValue(row[i]!.trim())) };
}

function cellValue(cell: string): RecordedValue | null {
  if (cell === '') return null;
  if (DECIMAL.test(cell)) return Number(cell);
  if (cell === 'true' || cell === 'false') return cell === 'true';
  return cell;
}

function cells(line: string, delimiter: string): readonly string[] {
  return parseCsv(line, delimiter)[0] ?? [];
}

/** Longest record: a quoted cell may hold line breaks, and one that is never closed must not take the whole file. */
const MAX_RECORD = 1 << 20;

/** Records with the number of their first line. */
async function* linesOf(
  reader: AsyncIterable<string>,
  stream: { on(event: 'error', listener: () => void): unknown },
): AsyncGenerator<{ text: string; number: number }> {
  stream.on('error', () => undefined);
  let number = 0;
  let held = '';
  let heldFrom = 0;
  for await (const line of reader) {
    number += 1;
    const text = held === '' ? line : `${held}\n${line}`;
    if (held === '') heldFrom = number;
    if (openQuote(text) && text.length < MAX_RECORD) {
      held = text;
      continue;
    }
    held = '';
    yield { text, number: heldFrom };
  }
  if (held !== '') yield { text: held, number: heldFrom };
}

function openQuote(text: string): boolean {
  let quotes = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quotes += 1;
  return quotes % 2 === 1;
}

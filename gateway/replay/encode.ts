import { encode as encodeCbor } from 'cbor2';
import type { StreamConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { compilePath } from '../ingest/fields/path.ts';
import type { RecordedRow, RecordedValue } from './csv-rows.ts';

/** Turns rows of one device into one payload of the stream's configured format. */
export interface RowEncoder {
  readonly contentFormat: number;
  /** Whether a payload can carry several rows, and the time of each. */
  readonly several: boolean;
  readonly timestamps: boolean;
  /** Columns of the recording that the stream has no field for. */
  readonly ignored: readonly string[];
  encode(rows: readonly RecordedRow[]): Uint8Array;
}

/** A column of the recording and the field it feeds. */
interface Mapping {
  readonly column: number;
  readonly field: string;
  readonly path: string;
  readonly unit: string | undefined;
}

/** Labels of SenML and their numbers in CBOR (RFC 8428 §6, table 4). */
const LABELS = { bt: -3, n: 0, u: 1, v: 2, vs: 3, vb: 4, t: 6 } as const;

/**
 * The encoder for a stream. A number goes out in its shortest decimal form that reads back to the same bits.
 * @throws GatewayError REPLAY_COLUMNS when no column fits a field, REPLAY_FORMAT when CSV rows cannot be the format
 */
export function createEncoder(stream: StreamConfig, columns: readonly string[]): RowEncoder {
  const mappings = mapColumns(stream, columns);
  const used = new Set(mappings.map((mapping) => mapping.column));
  const common = { ignored: columns.filter((_, i) => !used.has(i)) };
  switch (stream.decode) {
    case 'json':
      return { ...common, ...treeEncoder(stream, mappings, 50, (tree) => Buffer.from(toJson(tree))) };
    case 'cbor':
      return { ...common, ...treeEncoder(stream, mappings, 60, (tree) => encodeCbor(tree)) };
    case 'senml+json':
      return { ...common, ...senmlEncoder(mappings, 110, (pack) => Buffer.from(toJson(pack))) };
    case 'senml+cbor':
      return { ...common, ...senmlEncoder(mappings, 112, (pack) => encodeCbor(pack.map(labelled))) };
    case 'csv':
      return { ...common, ...csvEncoder(stream, mappings) };
    case 'text':
      return { ...common, ...textEncoder(mappings) };
    case 'raw':
    case 'bytes':
      throw new GatewayError(
        'REPLAY_FORMAT',
        `stream ${stream.id} takes ${stream.decode === 'raw' ? 'raw samples' : 'whole payloads'}, not rows of a CSV file`,
        {
          received: stream.decode,
          expected: 'a stream that decodes json, text, cbor, senml+json, senml+cbor or csv',
        },
      );
  }
}

function mapColumns(stream: StreamConfig, columns: readonly string[]): Mapping[] {
  const fields = Object.entries(stream.fields ?? {});
  if (fields.length === 0) {
    return columns.map((name, column) => ({ column, field: name, path: name, unit: undefined }));
  }
  const mappings = fields.flatMap(([field, config]) => {
    const path = config.path ?? field;
    const last = compilePath(path).steps.at(-1);
    const names = [field, path, typeof last === 'string' ? last : field];
    const column = names.map((name) => columns.indexOf(name)).find((i) => i >= 0);
    return column === undefined ? [] : [{ column, field, path, unit: config.unit }];
  });
  const [only] = fields;
  if (mappings.length === 0 && fields.length === 1 && columns.length === 1 && only !== undefined) {
    return [{ column: 0, field: only[0], path: only[1].path ?? only[0], unit: only[1].unit }];
  }
  if (mappings.length === 0) {
    throw new GatewayError('REPLAY_COLUMNS', `no column of the file is a field of stream ${stream.id}`, {
      received: columns.join(', ').slice(0, 200),
      expected: fields.map(([name]) => name).join(', '),
    });
  }
  return mappings;
}

type Tree = { [key: string]: Tree | unknown };

/** JSON and CBOR: an object per row, values and time at the paths of the stream; several rows are an array. */
function treeEncoder(
  stream: StreamConfig,
  mappings: readonly Mapping[],
  contentFormat: number,
  write: (tree: unknown) => Uint8Array,
): Omit<RowEncoder, 'ignored'> {
  const places = mappings.map((mapping) => ({ ...mapping, steps: compilePath(mapping.path).steps }));
  const time = stream.time && { steps: compilePath(stream.time.path).steps, format: stream.time.format };
  const treeOf = (row: RecordedRow): unknown => {
    let root: unknown = {};
    if (time) root = place(root, time.steps, formatTime(row.time, time.format));
    for (const { column, steps } of places) {
      const value = row.values[column];
      if (value !== null && value !== undefined) root = place(root, steps, value);
    }
    return root;
  };
  return {
    contentFormat,
    several: true,
    timestamps: time !== undefined,
    encode: (rows) => write(rows.length === 1 ? treeOf(rows[0]!) : rows.map(treeOf)),
  };
}

/** `root` with `value` at the end of `steps`; containers are made on the way. */
function place(root: unknown, steps: readonly (string | number)[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const list: unknown[] = Array.isArray(root) ? root : [];
    while (list.length <= step) list.push(null);
    list[step] = place(list[step], rest, value);
    return list;
  }
  const object: Tree =
    typeof root === 'object' && root !== null && !Array.isArray(root) ? (root as Tree) : {};
  Object.defineProperty(object, step, {
    value: place(object[step], rest, value),
    enumerable: true,
    writable: true,
    configurable: true,
  });
  return object;
}

function formatTime(ms: number, format: 'epoch-ms' | 'epoch-s' | 'iso8601'): number | string {
  if (format === 'epoch-ms') return ms;
  return format === 'epoch-s' ? ms / 1000 : new Date(ms).toISOString();
}

type SenmlRecord = Partial<Record<keyof typeof LABELS, RecordedValue>>;

/** SenML: a record per value; the first carries the base time, those of later rows the difference to it. */
function senmlEncoder(
  mappings: readonly Mapping[],
  contentFormat: number,
  write: (pack: readonly SenmlRecord[]) => Uint8Array,
): Omit<RowEncoder, 'ignored'> {
  const names = mappings.map(({ field, path }) => (path.startsWith('$') ? field : path));
  return {
    contentFormat,
    several: true,
    timestamps: true,
    encode(rows) {
      const pack: SenmlRecord[] = [];
      // Whole seconds, so that base and difference add up without rounding beyond the microsecond.
      const base = Math.floor(rows[0]!.time / 1000);
      for (const row of rows) {
        const offset = Math.round(row.time * 1000 - base * 1e6) / 1e6;
        for (const [i, { column, unit }] of mappings.entries()) {
          const value = row.values[column];
          if (value === null || value === undefined) continue;
          pack.push({
            ...(pack.length === 0 ? { bt: base } : {}),
            n: names[i]!,
            ...(unit !== undefined && typeof value === 'number' ? { u: unit } : {}),
            ...(offset === 0 ? {} : { t: offset }),
            ...(typeof value === 'number'
              ? { v: value }
              : typeof value === 'boolean'
                ? { vb: value }
                : { vs: value }),
          });
        }
      }
      return write(pack);
    },
  };
}

function labelled(record: SenmlRecord): Map<number, RecordedValue> {
  return new Map(
    Object.entries(record).map(([label, value]) => [LABELS[label as keyof typeof LABELS], value]),
  );
}

function csvEncoder(stream: StreamConfig, mappings: readonly Mapping[]): Omit<RowEncoder, 'ignored'> {
  const delimiter = stream.csv?.delimiter ?? ',';
  const plain = (path: string) => (path.startsWith('$.') ? path.slice(2) : path);
  const timeColumn = stream.time && plain(stream.time.path);
  const byName = new Map(mappings.map(({ path, column }) => [plain(path), column]));
  const columns = stream.csv?.columns ?? [
    ...(timeColumn === undefined ? [] : [timeColumn]),
    ...byName.keys(),
  ];
  const header = stream.csv?.columns ? '' : `${columns.map((c) => csvCell(c, delimiter)).join(delimiter)}\n`;
  const timestamps = timeColumn !== undefined && columns.includes(timeColumn);
  return {
    contentFormat: 0,
    several: true,
    timestamps,
    encode(rows) {
      let text = header;
      for (const row of rows) {
        const line = columns.map((name) => {
          if (name === timeColumn) return csvCell(formatTime(row.time, stream.time!.format), delimiter);
          const column = byName.get(name);
          return csvCell(column === undefined ? null : (row.values[column] ?? null), delimiter);
        });
        text += `${line.join(delimiter)}\n`;
      }
      return Buffer.from(text);
    },
  };
}

function csvCell(value: RecordedValue | null, delimiter: string): string {
  if (value === null) return '';
  const text = typeof value === 'number' ? decimal(value) : String(value);
  return text.includes(delimiter) || /["\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function textEncoder(mappings: readonly Mapping[]): Omit<RowEncoder, 'ignored'> {
  const { column } = mappings[0]!;
  return {
    contentFormat: 0,
    several: false,
    timestamps: false,
    encode([row]) {
      const value = row!.values[column] ?? '';
      return Buffer.from(typeof value === 'number' ? decimal(value) : String(value));
    },
  };
}

/** `JSON.stringify` writes −0 as 0 too; `rawJSON` is older than the type library that knows it. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (Object.is(part, -0) ? rawJSON('-0') : part));
}

/** `String` writes −0 as 0. */
function decimal(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

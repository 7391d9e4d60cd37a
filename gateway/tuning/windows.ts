import { GatewayError } from '../errors.ts';
import { readingCodec } from '../ingest/reading-codec.ts';
import type { ReadingValue } from '../ports/reading.ts';
import { openStoreReader } from '../store/reader.ts';
import type { JournalRecord } from '../store/types.ts';
import { Columns } from '../stream/columns.ts';

/** A window cut out of the journal. */
export interface JournalWindow {
  readonly device: string;
  readonly time: number;
  readonly values: Float32Array;
}

export interface WindowRequest {
  readonly dataDir: string;
  readonly stream: string;
  readonly device: string | undefined;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly hop: number;
  readonly since: number;
  readonly maxRows: number;
}

export interface JournalWindows {
  readonly windows: JournalWindow[];
  /** Rows of numbers that were read, and readings that had none. */
  readonly rows: number;
  readonly unusable: number;
  readonly from: number;
  readonly to: number;
}

/** Devices beyond this are left out; each costs a buffer. */
const MAX_DEVICES = 1000;
/** A pause of so many usual intervals ends a window, so that none spans it. */
const PAUSE = 20;
/** Readings timed by their arrival come in bursts: what is shorter is no pause. */
const SHORT_PAUSE_MS = 1000;

/** Windows of a stream, in order of time per device, from at most `maxRows` of the newest rows. */
export async function readWindows(request: WindowRequest): Promise<JournalWindows> {
  const reader = await openStoreReader(request.dataDir);
  const columns = new Columns(request.columns);
  const kept: JournalRecord<ReadingValue>[][] = [];
  let rows = 0;
  let unusable = 0;
  try {
    for (const segment of reader.recent(request.stream, readingCodec, request.since)) {
      const wanted = segment.filter(
        ({ device }) => request.device === undefined || device === request.device,
      );
      const usable = wanted.filter(({ value }) => columns.rows(value) > 0);
      unusable += wanted.length - usable.length;
      rows += usable.reduce((sum, { value }) => sum + columns.rows(value), 0);
      kept.push(usable);
      if (rows >= request.maxRows) break;
    }
  } finally {
    reader.close();
  }
  const cutter = new Cutter(columns, request.rows, request.hop);
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const segment of kept.reverse()) {
    for (const record of segment) {
      from = Math.min(from, record.time);
      to = Math.max(to, record.time);
      cutter.take(record);
    }
  }
  return { windows: cutter.windows, rows, unusable, from, to };
}

interface Strand {
  readonly values: Float64Array;
  filled: number;
  last: number;
  interval: number;
}

class Cutter {
  readonly windows: JournalWindow[] = [];
  readonly #columns: Columns;
  readonly #size: number;
  readonly #step: number;
  readonly #strands = new Map<string, Strand>();

  constructor(columns: Columns, rows: number, hop: number) {
    this.#columns = columns;
    this.#size = rows * columns.count;
    this.#step = hop * columns.count;
  }

  take({ device, time, value }: JournalRecord<ReadingValue>): void {
    const strand = this.#strand(device, time);
    if (strand === undefined) return;
    const pause = time - strand.last;
    if (pause > Math.max(SHORT_PAUSE_MS, PAUSE * strand.interval)) strand.filled = 0;
    strand.interval = strand.interval === 0 ? pause : strand.interval + (pause - strand.interval) / 16;
    strand.last = time;
    const rows = this.#columns.rows(value);
    const given = new Float64Array(rows * this.#columns.count);
    this.#columns.write(value, rows, given, 0);
    for (let at = 0; at < given.length; ) {
      const part = given.subarray(at, at + this.#size - strand.filled);
      strand.values.set(part, strand.filled);
      strand.filled += part.length;
      at += part.length;
      if (strand.filled < this.#size) continue;
      this.windows.push({ device, time, values: Float32Array.from(strand.values) });
      strand.values.copyWithin(0, this.#step);
      strand.filled -= this.#step;
    }
  }

  #strand(device: string, time: number): Strand | undefined {
    const known = this.#strands.get(device);
    if (known || this.#strands.size >= MAX_DEVICES) return known;
    const strand = { values: new Float64Array(this.#size), filled: 0, last: time, interval: 0 };
    this.#strands.set(device, strand);
    return strand;
  }
}

/** Throws TUNE_DATA unless there is something to learn from. */
export function checkWindows(
  { windows, rows, unusable }: JournalWindows,
  stream: string,
  least: number,
  size: number,
): void {
  const say = (message: string, received: number, expected: string): GatewayError =>
    new GatewayError('TUNE_DATA', `stream ${stream}: ${message}`, { received, expected });
  if (rows === 0 && unusable > 0)
    throw say(
      `none of ${unusable} readings has the numbers that the model takes`,
      unusable,
      'finite numbers',
    );
  if (windows.length < least)
    throw say(
      `${rows} usable readings make ${windows.length} windows of ${size}`,
      windows.length,
      `at least ${least} windows`,
    );
  const varied = windows.filter(({ values }) => values.some((value) => value !== values[0])).length;
  if (varied < least)
    throw say(`only ${varied} of ${windows.length} windows are not constant`, varied, `at least ${least}`);
}

import { basename, extname } from 'node:path';
import type { StreamConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { isDeviceName } from '../ingest/device-name.ts';
import type { Clock } from '../ports/clock.ts';
import type { ReplayTransport } from '../ports/replay-transport.ts';
import { type BadRow, openRecording, type RecordedRow } from './csv-rows.ts';
import { createEncoder, type RowEncoder } from './encode.ts';
import { Pacer } from './pacer.ts';
import { Sender } from './sender.ts';

export { parseRecordedTime } from './recorded-time.ts';

export interface ReplayOptions {
  readonly file: string;
  readonly stream: StreamConfig;
  readonly transport: ReplayTransport;
  readonly clock: Clock;
  /** Device of all rows; default: the column `device`, else the name of the file. */
  readonly device?: string;
  /** Rows per second. Default: as fast as the door takes them. */
  readonly rate?: number;
  /** Times the recorded speed: 60 makes an hour a minute. Not together with `rate`. */
  readonly speed?: number;
  /** Rows in one message where the format can carry several (all but text); they are stored or rejected together. */
  readonly rowsPerMessage?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ReplayProgress) => void;
}

export interface ReplayProgress {
  readonly rows: number;
  readonly acknowledged: number;
  readonly readBytes: number;
  readonly totalBytes: number;
  readonly retries: number;
}

export interface ReplaySummary {
  readonly file: string;
  readonly stream: string;
  readonly target: string;
  /** Rows of the file that were sent. */
  readonly rows: number;
  /** Rows the door acknowledged and did not reject. */
  readonly acknowledged: number;
  readonly rejected: number;
  /** Lines that are no row: wrong number of cells, no time, no usable device name. */
  readonly skipped: number;
  /** The first problems, of skipped and rejected rows. */
  readonly problems: readonly BadRow[];
  readonly devices: number;
  /** Recorded time of the first and the last row, ms since the epoch; null without rows. */
  readonly from: number | null;
  readonly to: number | null;
  /** Whether the recorded times went along; if not, the gateway stamps the rows as they arrive. */
  readonly timestamps: boolean;
  readonly ignoredColumns: readonly string[];
  readonly retries: number;
  readonly seconds: number;
}

/** Devices that one recording may name. */
const MAX_DEVICES = 100_000;

/**
 * Feeds a recorded CSV file into a stream through a real door, in the order of the file for each device. Resolves when
 * every row is acknowledged or rejected. Delivery: at least once; a row whose acknowledgement was lost in a crash of
 * the gateway may be stored twice.
 * @throws GatewayError REPLAY_FILE, REPLAY_COLUMNS, REPLAY_FORMAT, REPLAY_CONNECT, REPLAY_STOPPED, USAGE
 */
export async function replay(options: ReplayOptions): Promise<ReplaySummary> {
  checkOptions(options);
  const { stream, transport, clock } = options;
  const signal = options.signal ?? new AbortController().signal;
  const recording = await openRecording(options.file);
  const started = clock.monotonic();
  let from: number | null = null;
  let to: number | null = null;
  let rows = 0;
  try {
    const encoder = createEncoder(stream, recording.columns);
    await transport.open(signal);
    const sender = new Sender(transport, stream.id, encoder.contentFormat, () =>
      options.onProgress?.({
        rows,
        acknowledged: sender.acknowledged,
        readBytes: recording.readBytes,
        totalBytes: recording.totalBytes,
        retries: transport.retries,
      }),
    );
    const pacer = new Pacer({ clock, signal, rate: options.rate, speed: options.speed });
    const pack = new Pack(encoder, options.rowsPerMessage ?? 1, sender);
    const fallback = options.device ?? deviceOfFile(options.file);
    const devices = new Set<string>();
    for await (const row of recording.rows()) {
      if (signal.aborted) throw stopped();
      const device = 'problem' in row ? '' : (options.device ?? row.device ?? fallback);
      const bad = 'problem' in row ? row : deviceProblem(row, device, devices);
      if (bad !== null) {
        sender.skip(bad);
        continue;
      }
      devices.add(device);
      from ??= (row as RecordedRow).time;
      to = (row as RecordedRow).time;
      rows += 1;
      await pacer.due((row as RecordedRow).time);
      await pack.add(device, row as RecordedRow);
    }
    await pack.flush();
    await sender.finish();
    return {
      file: options.file,
      stream: stream.id,
      target: transport.target,
      rows,
      acknowledged: sender.acknowledged,
      rejected: sender.rejected,
      skipped: sender.skipped,
      problems: sender.problems,
      devices: devices.size,
      from,
      to,
      timestamps: encoder.timestamps,
      ignoredColumns: encoder.ignored,
      retries: transport.retries,
      seconds: (clock.monotonic() - started) / 1000,
    };
  } finally {
    recording.close();
    await transport.close();
  }
}

/** Rows of one device that will travel in one message. */
class Pack {
  readonly #encoder: RowEncoder;
  readonly #size: number;
  readonly #sender: Sender;
  #device = '';
  #rows: RecordedRow[] = [];

  constructor(encoder: RowEncoder, size: number, sender: Sender) {
    this.#encoder = encoder;
    this.#size = encoder.several ? size : 1;
    this.#sender = sender;
  }

  async add(device: string, row: RecordedRow): Promise<void> {
    if (device !== this.#device) await this.flush();
    this.#device = device;
    this.#rows.push(row);
    if (this.#rows.length >= this.#size) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    await this.#sender.send(this.#device, rows[0]!.line, rows.length, this.#encoder.encode(rows));
  }
}

function checkOptions({ rate, speed, rowsPerMessage = 1, device }: ReplayOptions): void {
  const wrong = (what: string, received: unknown, expected: string) => {
    throw new GatewayError('USAGE', `${what} is ${received}`, { received, expected });
  };
  if (rate !== undefined && !(rate > 0)) wrong('--rate', rate, 'rows per second, more than 0');
  if (speed !== undefined && !(speed > 0)) wrong('--speed', speed, 'a factor of more than 0');
  if (rate !== undefined && speed !== undefined) wrong('--rate with --speed', speed, 'one of them');
  if (!(Number.isInteger(rowsPerMessage) && rowsPerMessage >= 1 && rowsPerMessage <= 1000)) {
    wrong('rows per message', rowsPerMessage, '1 to 1000');
  }
  if (device !== undefined && !isDeviceName(device)) wrong('--device', device, 'a name without / + #');
}

function deviceProblem(row: RecordedRow, device: string, known: ReadonlySet<string>): BadRow | null {
  if (known.has(device)) return null;
  if (!isDeviceName(device))
    return { line: row.line, problem: `${JSON.stringify(device.slice(0, 40))} is no device name` };
  return known.size < MAX_DEVICES ? null : { line: row.line, problem: `more than ${MAX_DEVICES} devices` };
}

/** `…/Room 4.csv` → `Room 4`; what cannot be in a device name becomes `_`. */
function deviceOfFile(file: string): string {
  const name = basename(file, extname(file))
    .replace(/[\p{Cc}/+#]/gu, '_')
    .slice(0, 128);
  return isDeviceName(name) ? name : 'replay';
}

function stopped(): GatewayError {
  return new GatewayError('REPLAY_STOPPED', 'the replay was stopped before its end');
}

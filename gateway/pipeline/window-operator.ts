import type { PipelineConfig } from '../config/schema.ts';
import type { Columns } from '../stream/columns.ts';
import { CountWindower } from '../stream/count-window.ts';
import type { Downtimes } from '../stream/downtime.ts';
import type { Joiner } from '../stream/join.ts';
import { resample } from '../stream/resample.ts';
import { SampleWindower } from '../stream/sample-window.ts';
import { SessionWindower } from '../stream/session-window.ts';
import { TimeWindower } from '../stream/time-window.ts';
import type { Reading, Windower, WindowSink } from '../stream/window.ts';
import type { Operator } from './unit.ts';

/** Key and device name of what is not kept per device. */
const ALL_DEVICES = 'all';

const WINDOW_PREFIX = 'w';
const JOIN_PREFIX = 'j';
/** Most readings one key of a time or session window holds. */
const MAX_READINGS = 100_000;
/** Most numbers one key holds: 32 MiB. */
const MAX_VALUES = 4 * 1024 * 1024;

export interface WindowOperatorOptions {
  readonly window: PipelineConfig['window'];
  readonly key: PipelineConfig['key'];
  readonly columns: Columns;
  readonly maxKeys: number;
  /** Rows each window is fitted into; undefined leaves it as it is. */
  readonly rows: number | undefined;
  /** Makes the join of several inputs, which hands joined readings on; undefined for one input. */
  readonly join: ((sink: (reading: Reading) => void) => Joiner) | undefined;
  /** Reach of the join, ms; 0 without one. */
  readonly within: number;
  readonly sink: WindowSink;
}

/** Join (when there are several inputs), then windows per key. */
export class WindowOperator implements Operator {
  readonly tracksSilence: boolean;
  readonly windower: Windower;
  readonly joiner: Joiner | undefined;
  readonly #perDevice: boolean;
  /** How long a joined reading may come after its arrival. */
  readonly #delay: number;
  #joined = 0;

  constructor(options: WindowOperatorOptions) {
    this.#perDevice = options.key === 'device';
    this.windower = createWindower(options);
    this.#delay = options.within;
    this.tracksSilence = this.windower.tracksSilence;
    this.joiner = options.join?.((reading) => {
      this.#joined++;
      this.#window(reading);
    });
  }

  get keys(): number {
    return this.windower.keys;
  }

  get stateBytes(): number {
    return this.windower.stateBytes + (this.joiner?.stateBytes ?? 0);
  }

  get downtime(): Downtimes {
    return this.windower.downtime;
  }

  feed(input: number, reading: Reading): void {
    if (this.joiner === undefined) this.#window(reading);
    else this.joiner.feed(input, reading);
  }

  advance(now: number, maxKeys: number): number {
    const before = this.#joined;
    this.joiner?.advance(now);
    const closed = this.windower.advance(now - this.#delay, maxKeys);
    return closed === 0 && this.#joined > before ? 1 : closed;
  }

  nextDeadline(): number {
    const windows = this.windower.nextDeadline() + this.#delay;
    return this.joiner === undefined ? windows : Math.min(windows, this.joiner.nextDeadline());
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.windower.snapshot((key, bytes) => row(WINDOW_PREFIX + key, bytes));
    this.joiner?.snapshot((key, bytes) => row(JOIN_PREFIX + key, bytes));
  }

  restore(key: string, bytes: Uint8Array): void {
    const owner = key.startsWith(JOIN_PREFIX) ? this.joiner : this.windower;
    owner?.restore(key.slice(1), bytes);
  }

  #window(reading: Reading): void {
    this.windower.feed(this.#perDevice ? reading.device : ALL_DEVICES, reading);
  }
}

function createWindower(options: WindowOperatorOptions): Windower {
  const { window, columns, key, maxKeys, rows, within } = options;
  const limits = { maxKeys, maxReadings: MAX_READINGS, maxValues: MAX_VALUES };
  // The ordinal of a device says nothing among the readings of several.
  const ordinal = key === 'device' ? (r: Reading) => r.deviceSeq : (r: Reading) => r.seq;
  const sink: WindowSink =
    rows === undefined
      ? options.sink
      : (closed) =>
          options.sink({
            ...closed,
            values: resample(closed.values, closed.rows, columns.count, rows),
            rows,
          });
  if ('count' in window) {
    const { count, every = count } = window;
    return new CountWindower({ count, every, columns, limits, ordinal, sink: options.sink });
  }
  if ('samples' in window) {
    const { samples, every = samples } = window;
    return new SampleWindower({ samples, every, columns, limits, sink: options.sink });
  }
  if ('time' in window) {
    const { time: length, every = length, by, lateness } = window;
    return new TimeWindower({
      length,
      every,
      by,
      lateness: by === 'event' ? lateness : within,
      columns,
      limits,
      sink,
    });
  }
  const { session: gap, max, by } = window;
  return new SessionWindower({ gap, max, by, columns, limits, ordinal, sink });
}

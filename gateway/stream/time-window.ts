import { Deadlines } from './closing.ts';
import type { Columns } from './columns.ts';
import { Downtimes } from './downtime.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import { SampleBuffer } from './sample-buffer.ts';
import type { Reading, WindowCounters, Windower, WindowLimits, WindowSink } from './window.ts';

interface TimeKey extends KeyState {
  buffer: SampleBuffer;
  /** Windows that end at or before this are closed. */
  closed: number;
  /** Largest time seen. */
  newest: number;
  /** Arrival of the last reading on a clock that stands still while the gateway is away. */
  heard: number;
}

export interface TimeWindowOptions {
  readonly length: number;
  readonly every: number;
  readonly by: 'event' | 'arrival';
  readonly lateness: number;
  readonly columns: Columns;
  readonly limits: WindowLimits;
  readonly sink: WindowSink;
}

/**
 * Windows `[k × every, k × every + length)` per key, by event or arrival time; only those with a reading exist.
 *
 * A window closes when the key's watermark (largest time − lateness) reaches its end, or when the key was silent for
 * length + lateness of arrival time; by arrival when its end has come. Both are decided from the readings alone, so
 * whether a reading is late does not depend on when the clock was looked at. Identity: the end of the window and 0.
 */
export class TimeWindower implements Windower {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence: boolean;
  readonly downtime = new Downtimes();
  readonly #options: TimeWindowOptions;
  readonly #idle: number;
  readonly #keys: KeyedMap<TimeKey>;
  readonly #deadlines = new Deadlines<TimeKey>();

  constructor(options: TimeWindowOptions) {
    this.#options = options;
    this.tracksSilence = options.by === 'event';
    this.#idle = options.length + options.lateness;
    const width = options.columns.count;
    this.#keys = new KeyedMap<TimeKey>(options.limits.maxKeys, {
      create: () => ({
        buffer: new SampleBuffer(width),
        closed: Number.NEGATIVE_INFINITY,
        newest: Number.NEGATIVE_INFINITY,
        heard: 0,
        dirty: false,
        size: 0,
      }),
      save(state, out) {
        out.f64(state.closed);
        out.f64(state.newest);
        out.f64(state.heard);
        state.buffer.save(out);
      },
      load(input) {
        const [closed, newest, heard] = [input.f64(), input.f64(), input.f64()];
        return { closed, newest, heard, buffer: SampleBuffer.load(input, width), dirty: false, size: 0 };
      },
      size: (state) => state.buffer.byteLength + 64,
    });
  }

  get keys(): number {
    return this.#keys.keys;
  }

  get stateBytes(): number {
    return this.#keys.stateBytes;
  }

  feed(key: string, reading: Reading): void {
    const { columns, by, every, length, lateness, limits } = this.#options;
    const rows = columns.rows(reading.value);
    if (rows === 0) {
      this.counters.unusable++;
      return;
    }
    const state = this.#keys.get(key);
    if (state === undefined) {
      this.counters.overflow++;
      return;
    }
    this.#keys.touch(key, state);
    const { arrival } = reading;
    const heard = arrival - this.downtime.before(arrival);
    const { buffer } = state;
    if (by === 'event' && buffer.length > 0 && heard - state.heard >= this.#idle) {
      this.#close(key, state, Number.POSITIVE_INFINITY, arrival);
    }
    state.heard = heard;
    const time = by === 'event' ? reading.time : arrival;
    const lastStart = Math.floor(time / every) * every;
    if (time >= lastStart + length) return;
    if (lastStart + length <= state.closed) {
      this.counters.late++;
      return;
    }
    if (time > state.newest) {
      state.newest = time;
      this.#close(key, state, time - lateness, arrival);
    }
    buffer.insert(reading.value, rows, columns, time, reading.deviceSeq);
    while (buffer.length > limits.maxReadings || buffer.rows * columns.count > limits.maxValues) {
      buffer.drop(1);
      this.counters.overflow++;
    }
    if (buffer.length === 1) this.#deadlines.add(this.#deadline(state));
  }

  advance(now: number, maxKeys: number): number {
    const due = this.#deadlines.due(this.#keys.map, now, maxKeys, (state) => this.#deadline(state));
    for (const [key, state] of due) {
      this.#keys.touch(key, state);
      this.#close(key, state, this.#options.by === 'event' ? Number.POSITIVE_INFINITY : now, now);
      if (state.buffer.length > 0) this.#deadlines.add(this.#deadline(state));
    }
    return due.length;
  }

  nextDeadline(): number {
    return this.#deadlines.bound;
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.#keys.snapshot(row);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#keys.restore(key, bytes);
    this.#deadlines.add(Number.NEGATIVE_INFINITY);
  }

  /** Arrival time at which time alone closes something of this key. */
  #deadline(state: TimeKey): number {
    if (state.buffer.length === 0) return Number.POSITIVE_INFINITY;
    if (this.#options.by === 'event') return state.heard + this.downtime.total + this.#idle;
    return this.#firstOpen(state) + this.#options.length;
  }

  /** Start of the earliest window that is open and may hold the oldest reading. */
  #firstOpen(state: TimeKey): number {
    const { every, length } = this.#options;
    const oldest = state.buffer.time(0);
    const after = Math.max(oldest, state.closed);
    // The earliest window still open whose end lies behind `after`, and that has begun by then.
    return (Math.floor((after - length) / every) + 1) * every;
  }

  #close(key: string, state: TimeKey, watermark: number, arrival: number): void {
    const { every, length, sink } = this.#options;
    const { buffer } = state;
    while (buffer.length > 0) {
      const start = this.#firstOpen(state);
      const end = start + length;
      if (end > watermark) break;
      const from = buffer.lowerBound(start);
      const to = buffer.lowerBound(end);
      if (to > from) {
        const values = buffer.view(from, to).slice();
        sink({ key, time: end, ordinal: 0, arrival, values, rows: buffer.rowsOf(from, to) });
      }
      state.closed = end;
      buffer.drop(buffer.lowerBound(start + every));
    }
    if (watermark === Number.POSITIVE_INFINITY) return;
    const passed = Math.floor((watermark - length) / every) * every + length;
    if (passed > state.closed) state.closed = passed;
  }
}

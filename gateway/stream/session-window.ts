import { Deadlines } from './closing.ts';
import type { Columns } from './columns.ts';
import { Downtimes } from './downtime.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import { SampleBuffer } from './sample-buffer.ts';
import type { Reading, WindowCounters, Windower, WindowLimits, WindowSink } from './window.ts';

interface SessionKey extends KeyState {
  buffer: SampleBuffer;
  /** Readings before this time belong to sessions that are closed. */
  closed: number;
  /** Arrival of the last reading on a clock that stands still while the gateway is away. */
  heard: number;
}

export interface SessionWindowOptions {
  readonly gap: number;
  /** Readings at which a session ends whatever follows. */
  readonly max: number;
  readonly by: 'event' | 'arrival';
  readonly columns: Columns;
  readonly limits: WindowLimits;
  readonly ordinal: (reading: Reading) => number;
  readonly sink: WindowSink;
}

/**
 * Windows that last as long as readings follow each other in less than `gap`, per key. By event time a session also
 * ends when nothing of the key arrived for `gap`. Identity: time and ordinal of its last reading.
 */
export class SessionWindower implements Windower {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence: boolean;
  readonly downtime = new Downtimes();
  readonly #options: SessionWindowOptions;
  readonly #most: number;
  readonly #keys: KeyedMap<SessionKey>;
  readonly #deadlines = new Deadlines<SessionKey>();

  constructor(options: SessionWindowOptions) {
    this.#options = options;
    this.#most = Math.min(options.max, options.limits.maxReadings);
    this.tracksSilence = options.by === 'event';
    const width = options.columns.count;
    this.#keys = new KeyedMap<SessionKey>(options.limits.maxKeys, {
      create: () => ({
        buffer: new SampleBuffer(width),
        closed: Number.NEGATIVE_INFINITY,
        heard: 0,
        dirty: false,
        size: 0,
      }),
      save(state, out) {
        out.f64(state.closed);
        out.f64(state.heard);
        state.buffer.save(out);
      },
      load(input) {
        const [closed, heard] = [input.f64(), input.f64()];
        return { closed, heard, buffer: SampleBuffer.load(input, width), dirty: false, size: 0 };
      },
      size: (state) => state.buffer.byteLength + 56,
    });
  }

  get keys(): number {
    return this.#keys.keys;
  }

  get stateBytes(): number {
    return this.#keys.stateBytes;
  }

  feed(key: string, reading: Reading): void {
    const { columns, by, gap, ordinal } = this.#options;
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
    const { buffer } = state;
    const heard = arrival - this.downtime.before(arrival);
    const time = by === 'event' ? reading.time : arrival;
    if (buffer.length > 0) {
      const silent = by === 'event' && heard - state.heard >= gap;
      if (silent || time - buffer.time(buffer.length - 1) >= gap) this.#close(key, state, arrival, gap);
    }
    state.heard = heard;
    if (time < state.closed || (buffer.length > 0 && buffer.time(0) - time >= gap)) {
      this.counters.late++;
      return;
    }
    buffer.insert(reading.value, rows, columns, time, ordinal(reading));
    const full = buffer.rows * columns.count >= this.#options.limits.maxValues;
    if (full || buffer.length >= this.#most) this.#close(key, state, arrival, 0);
    else if (buffer.length === 1) this.#deadlines.add(this.#deadline(state));
  }

  advance(now: number, maxKeys: number): number {
    const due = this.#deadlines.due(this.#keys.map, now, maxKeys, (state) => this.#deadline(state));
    for (const [key, state] of due) {
      this.#keys.touch(key, state);
      this.#close(key, state, now, this.#options.gap);
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

  #deadline({ buffer, heard }: SessionKey): number {
    if (buffer.length === 0) return Number.POSITIVE_INFINITY;
    const { by, gap } = this.#options;
    return (by === 'event' ? heard + this.downtime.total : buffer.time(buffer.length - 1)) + gap;
  }

  #close(key: string, state: SessionKey, arrival: number, gap: number): void {
    const { buffer } = state;
    const last = buffer.length - 1;
    const time = buffer.time(last);
    const values = buffer.view(0, buffer.length).slice();
    this.#options.sink({ key, time, ordinal: buffer.ordinal(last), arrival, values, rows: buffer.rows });
    state.closed = time + gap;
    buffer.drop(buffer.length);
  }
}

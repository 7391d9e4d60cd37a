import type { Columns } from './columns.ts';
import { Downtimes } from './downtime.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import { SampleBuffer } from './sample-buffer.ts';
import { Slab } from './slab.ts';
import type { Reading, WindowCounters, Windower, WindowLimits, WindowSink } from './window.ts';

interface CountKey extends KeyState {
  buffer: SampleBuffer;
  /** Readings still to come before the next window is complete; those beyond `count` are passed over. */
  due: number;
}

/**
 * Windows of `count` readings, a new one each `every` readings (tumbling when equal, sampling when larger). Identity:
 * time and ordinal of the last reading.
 */
export class CountWindower implements Windower {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence = false;
  readonly downtime = new Downtimes();
  readonly #count: number;
  readonly #maxValues: number;
  readonly #every: number;
  readonly #columns: Columns;
  readonly #sink: WindowSink;
  readonly #ordinal: (reading: Reading) => number;
  readonly #slab = new Slab();
  readonly #keys: KeyedMap<CountKey>;

  constructor(options: {
    count: number;
    every: number;
    columns: Columns;
    limits: WindowLimits;
    ordinal: (reading: Reading) => number;
    sink: WindowSink;
  }) {
    this.#count = options.count;
    this.#maxValues = options.limits.maxValues;
    this.#every = options.every;
    this.#columns = options.columns;
    this.#sink = options.sink;
    this.#ordinal = options.ordinal;
    this.#keys = new KeyedMap<CountKey>(options.limits.maxKeys, {
      create: () => ({
        buffer: new SampleBuffer(options.columns.count),
        due: options.count,
        dirty: false,
        size: 0,
      }),
      save(state, out) {
        out.u32(state.due);
        state.buffer.save(out);
      },
      load(input) {
        const due = input.u32();
        return { due, buffer: SampleBuffer.load(input, options.columns.count), dirty: false, size: 0 };
      },
      size: (state) => state.buffer.byteLength + 32,
    });
  }

  get keys(): number {
    return this.#keys.keys;
  }

  get stateBytes(): number {
    return this.#keys.stateBytes;
  }

  feed(key: string, reading: Reading): void {
    const rows = this.#columns.rows(reading.value);
    if (rows === 0) {
      this.counters.unusable++;
      return;
    }
    const state = this.#keys.get(key);
    if (state === undefined) {
      this.counters.overflow++;
      return;
    }
    if (!state.dirty) this.#keys.touch(key, state);
    if (state.due-- > this.#count) return;
    const ordinal = this.#ordinal(reading);
    const buffer = state.buffer;
    if ((buffer.rows + rows) * this.#columns.count > this.#maxValues) {
      state.due++;
      this.counters.overflow++;
      return;
    }
    buffer.push(reading.value, rows, this.#columns, reading.time, ordinal);
    if (state.due > 0) return;
    const total = buffer.rows;
    const values = this.#slab.take(total * this.#columns.count);
    buffer.copyAll(values, 0);
    state.due = this.#every;
    buffer.drop(this.#every);
    this.#sink({ key, time: reading.time, ordinal, arrival: reading.arrival, values, rows: total });
  }

  advance(): number {
    return 0;
  }

  nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.#keys.snapshot(row);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#keys.restore(key, bytes);
  }
}

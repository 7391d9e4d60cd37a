import type { Columns } from './columns.ts';
import { Downtimes } from './downtime.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import type { Reading, WindowCounters, Windower, WindowLimits, WindowSink } from './window.ts';

interface SampleKey extends KeyState {
  /** Rows from `start` on, `held` of them. */
  data: Float64Array;
  held: number;
  /** Place of the first row held among all rows of this key. */
  start: number;
  /** Place behind the last row of the next window. */
  next: number;
}

/**
 * Windows of `samples` rows, a new one each `every` rows, however many rows a reading brings: for waveforms that come in
 * chunks of any length. Identity: time of the reading that completed it, and the place of its end among all rows.
 */
export class SampleWindower implements Windower {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence = false;
  readonly downtime = new Downtimes();
  readonly #samples: number;
  readonly #every: number;
  readonly #columns: Columns;
  readonly #maxValues: number;
  readonly #sink: WindowSink;
  readonly #keys: KeyedMap<SampleKey>;

  constructor(options: {
    samples: number;
    every: number;
    columns: Columns;
    limits: WindowLimits;
    sink: WindowSink;
  }) {
    const { samples, columns, limits } = options;
    this.#samples = samples;
    this.#every = options.every;
    this.#columns = columns;
    this.#maxValues = limits.maxValues;
    this.#sink = options.sink;
    this.#keys = new KeyedMap<SampleKey>(limits.maxKeys, {
      create: () => ({ data: new Float64Array(0), held: 0, start: 0, next: samples, dirty: false, size: 0 }),
      save(state, out) {
        out.f64(state.start);
        out.f64(state.next);
        out.f64s(state.data, 0, state.held * columns.count);
      },
      load(input) {
        const [start, next, data] = [input.f64(), input.f64(), input.f64s()];
        return { start, next, data, held: data.length / columns.count, dirty: false, size: 0 };
      },
      size: (state) => state.held * columns.count * 8 + 32,
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
    const width = this.#columns.count;
    if (state === undefined || (state.held + rows) * width > this.#maxValues) {
      this.counters.overflow++;
      return;
    }
    this.#keys.touch(key, state);
    if ((state.held + rows) * width > state.data.length) {
      const grown = new Float64Array(Math.max((state.held + rows) * width, state.data.length * 2));
      grown.set(state.data.subarray(0, state.held * width));
      state.data = grown;
    }
    this.#columns.write(reading.value, rows, state.data, state.held * width);
    state.held += rows;
    for (; state.start + state.held >= state.next; state.next += this.#every)
      this.#close(key, state, reading);
    this.#forget(state);
  }

  #close(key: string, { data, start, next }: SampleKey, { time, arrival }: Reading): void {
    const width = this.#columns.count;
    const from = (next - this.#samples - start) * width;
    const values = data.slice(from, from + this.#samples * width);
    this.#sink({ key, time, ordinal: next, arrival, values, rows: this.#samples });
  }

  /** Lets go of the rows before the next window. */
  #forget(state: SampleKey): void {
    const width = this.#columns.count;
    const gone = Math.min(state.held, state.next - this.#samples - state.start);
    if (gone <= 0) return;
    state.data.copyWithin(0, gone * width, state.held * width);
    state.held -= gone;
    state.start += gone;
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

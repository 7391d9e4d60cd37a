/** Windows over rows of numbers, kept apart by a key. Pure: time is that of the readings. */

export interface Closed {
  readonly rows: readonly (readonly number[])[];
  /** Times of the first and the last row; of a time window, its bounds. Milliseconds. */
  readonly start: number;
  readonly end: number;
}

export interface Windows {
  /** @returns the windows that this row closed, oldest first. @throws RangeError beyond a bound */
  add(key: string, time: number, row: readonly number[]): Closed[];
  reset(key: string): void;
  clear(): void;
  readonly keys: number;
  rows(key: string): number;
}

interface Row {
  readonly time: number;
  readonly values: readonly number[];
}

/** Keys of one node, and rows of one key. */
const MAX_KEYS = 10_000;
const MAX_ROWS = 100_000;

abstract class Keyed<State> {
  protected readonly states = new Map<string, State>();

  get keys(): number {
    return this.states.size;
  }

  reset(key: string): void {
    this.states.delete(key);
  }

  clear(): void {
    this.states.clear();
  }

  /** The least recently used key goes when there are too many. */
  protected of(key: string, make: () => State): State {
    const known = this.states.get(key);
    if (known !== undefined) this.states.delete(key);
    const state = known ?? make();
    this.states.set(key, state);
    if (this.states.size > MAX_KEYS) this.states.delete(this.states.keys().next().value!);
    return state;
  }
}

interface Counted {
  readonly rows: Row[];
  /** Rows until the next window is full. */
  due: number;
}

/** The newest `size` rows, every `every` rows. */
export class CountWindows extends Keyed<Counted> implements Windows {
  readonly #size: number;
  readonly #every: number;

  constructor(size: number, every: number) {
    super();
    if (size < 1 || size > MAX_ROWS || every < 1)
      throw new RangeError(`a window has 1 to ${MAX_ROWS} readings`);
    this.#size = size;
    this.#every = every;
  }

  rows(key: string): number {
    return this.states.get(key)?.rows.length ?? 0;
  }

  add(key: string, time: number, values: readonly number[]): Closed[] {
    const state = this.of(key, () => ({ rows: [], due: this.#size }));
    state.rows.push({ time, values });
    if (state.rows.length > this.#size) state.rows.shift();
    if (--state.due > 0) return [];
    state.due = this.#every;
    const { rows } = state;
    return [{ rows: rows.map((row) => row.values), start: rows[0]!.time, end: rows.at(-1)!.time }];
  }
}

interface Timed {
  rows: Row[];
  /** Start of the oldest window that is open. */
  from: number;
}

/** Windows of fixed length that begin at multiples of `every`; one closes with the first reading behind its end. */
export class TimeWindows extends Keyed<Timed> implements Windows {
  readonly #length: number;
  readonly #every: number;

  constructor(length: number, every: number) {
    super();
    this.#length = length;
    this.#every = every;
  }

  rows(key: string): number {
    return this.states.get(key)?.rows.length ?? 0;
  }

  add(key: string, time: number, values: readonly number[]): Closed[] {
    const first = Math.floor((time - this.#length) / this.#every + 1) * this.#every;
    const state = this.of(key, () => ({ rows: [], from: first }));
    const closed: Closed[] = [];
    while (state.rows.length > 0 && state.from + this.#length <= time) {
      const start = state.from;
      const end = start + this.#length;
      const rows = state.rows.filter((row) => row.time >= start && row.time < end);
      if (rows.length > 0) closed.push({ rows: rows.map((row) => row.values), start, end });
      state.from += this.#every;
      state.rows = state.rows.filter((row) => row.time >= state.from);
    }
    if (state.rows.length === 0) state.from = Math.max(state.from, first);
    if (state.rows.length >= MAX_ROWS)
      throw new RangeError(`a window of "${key}" has ${MAX_ROWS} readings already`);
    if (time >= state.from) state.rows.push({ time, values });
    return closed;
  }
}

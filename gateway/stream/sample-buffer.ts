import type { ReadingValue } from '../ports/reading.ts';
import type { StateReader, StateWriter } from './binary.ts';
import type { Columns } from './columns.ts';

const FIRST_CAPACITY = 4;
/** Up to so many rows have more room to slide in, so that they are moved less often. */
const FEW_ROWS = 256;

const slack = (rows: number): number => (rows <= FEW_ROWS ? 4 : 2);

/**
 * The readings of one key that a window may still need, oldest first, as row-major numbers. Appending and dropping
 * from the front cost O(1) amortised: the parts slide through flat arrays that are moved to the front when they reach
 * the end, and grow only while what is kept fills half of them (a quarter where it is little).
 */
export class SampleBuffer {
  readonly columns: number;
  #data: Float64Array;
  /** End of each reading in `#data`, in rows. */
  #ends = new Uint32Array(FIRST_CAPACITY);
  #times: Float64Array = new Float64Array(FIRST_CAPACITY);
  #ordinals: Float64Array = new Float64Array(FIRST_CAPACITY);
  #first = 0;
  #last = 0;
  #firstRow = 0;

  constructor(columns: number) {
    this.columns = columns;
    this.#data = new Float64Array(FIRST_CAPACITY * columns);
  }

  /** Readings held. */
  get length(): number {
    return this.#last - this.#first;
  }

  /** Rows held. */
  get rows(): number {
    return this.#lastRow - this.#firstRow;
  }

  get byteLength(): number {
    return this.rows * this.columns * 8 + this.length * 20;
  }

  get #lastRow(): number {
    return this.#last === this.#first ? this.#firstRow : this.#ends[this.#last - 1]!;
  }

  time(index: number): number {
    return this.#times[this.#first + index]!;
  }

  ordinal(index: number): number {
    return this.#ordinals[this.#first + index]!;
  }

  /** Adds a reading at the end. */
  push(value: ReadingValue, rows: number, columns: Columns, time: number, ordinal: number): void {
    this.#makeRoom(rows);
    const row = this.#lastRow;
    columns.write(value, rows, this.#data, row * this.columns);
    const at = this.#last++;
    this.#ends[at] = row + rows;
    this.#times[at] = time;
    this.#ordinals[at] = ordinal;
  }

  /** Adds a reading in order of time; one of equal time goes behind those already there. */
  insert(value: ReadingValue, rows: number, columns: Columns, time: number, ordinal: number): void {
    let at = this.#last;
    while (at > this.#first && this.#times[at - 1]! > time) at--;
    if (at === this.#last) {
      this.push(value, rows, columns, time, ordinal);
      return;
    }
    const position = at - this.#first;
    this.#makeRoom(rows);
    at = this.#first + position;
    const row = at === this.#first ? this.#firstRow : this.#ends[at - 1]!;
    const width = this.columns;
    this.#data.copyWithin((row + rows) * width, row * width, this.#lastRow * width);
    this.#ends.copyWithin(at + 1, at, this.#last);
    this.#times.copyWithin(at + 1, at, this.#last);
    this.#ordinals.copyWithin(at + 1, at, this.#last);
    this.#last++;
    for (let i = at + 1; i < this.#last; i++) this.#ends[i] = this.#ends[i]! + rows;
    columns.write(value, rows, this.#data, row * width);
    this.#ends[at] = row + rows;
    this.#times[at] = time;
    this.#ordinals[at] = ordinal;
  }

  /** Index of the first reading whose time is at least `time`. */
  lowerBound(time: number): number {
    let low = this.#first;
    let high = this.#last;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! < time) low = middle + 1;
      else high = middle;
    }
    return low - this.#first;
  }

  /** Rows of the readings `[from, to)`. */
  rowsOf(from: number, to: number): number {
    return to <= from ? 0 : this.#ends[this.#first + to - 1]! - this.#rowStart(from);
  }

  /** View of the rows of the readings `[from, to)`; valid until the buffer changes. */
  view(from: number, to: number): Float64Array {
    const start = this.#rowStart(from) * this.columns;
    return this.#data.subarray(start, start + this.rowsOf(from, to) * this.columns);
  }

  /** Copies all rows to `out` from `offset` on. */
  copyAll(out: Float64Array, offset: number): void {
    const data = this.#data;
    const end = this.#lastRow * this.columns;
    for (let from = this.#firstRow * this.columns, to = offset; from < end; ) out[to++] = data[from++]!;
  }

  /** Forgets the oldest `count` readings. */
  drop(count: number): void {
    if (count >= this.length) {
      this.#first = this.#last = this.#firstRow = 0;
      return;
    }
    if (count <= 0) return;
    this.#first += count;
    this.#firstRow = this.#ends[this.#first - 1]!;
  }

  save(out: StateWriter): void {
    const n = this.length;
    out.u32(n);
    for (let i = 0; i < n; i++) out.u32(this.rowsOf(i, i + 1));
    out.f64s(this.#times, this.#first, this.#last);
    out.f64s(this.#ordinals, this.#first, this.#last);
    out.f64s(this.#data, this.#firstRow * this.columns, this.#lastRow * this.columns);
  }

  static load(input: StateReader, columns: number): SampleBuffer {
    const buffer = new SampleBuffer(columns);
    const n = input.u32();
    buffer.#ends = new Uint32Array(Math.max(n, FIRST_CAPACITY));
    let rows = 0;
    for (let i = 0; i < n; i++) {
      rows += input.u32();
      buffer.#ends[i] = rows;
    }
    buffer.#times = padded(input.f64s(), FIRST_CAPACITY);
    buffer.#ordinals = padded(input.f64s(), FIRST_CAPACITY);
    buffer.#data = padded(input.f64s(), FIRST_CAPACITY * columns);
    buffer.#last = n;
    return buffer;
  }

  #rowStart(index: number): number {
    return index === 0 ? this.#firstRow : this.#ends[this.#first + index - 1]!;
  }

  #makeRoom(rows: number): void {
    if (this.#last === this.#ends.length) {
      const roomy = this.length * slack(this.length) <= this.#ends.length;
      const size = roomy ? this.#ends.length : this.#ends.length * 2;
      this.#ends = moved(this.#ends, new Uint32Array(size), this.#first, this.#last);
      this.#times = moved(this.#times, new Float64Array(size), this.#first, this.#last);
      this.#ordinals = moved(this.#ordinals, new Float64Array(size), this.#first, this.#last);
      this.#last -= this.#first;
      this.#first = 0;
    }
    const width = this.columns;
    if ((this.#lastRow + rows) * width <= this.#data.length) return;
    const held = this.rows;
    let size = this.#data.length;
    while ((held + rows) * slack(held) * width > size) size *= 2;
    const from = this.#firstRow;
    if (size === this.#data.length) this.#data.copyWithin(0, from * width, this.#lastRow * width);
    else this.#data = moved(this.#data, new Float64Array(size), from * width, this.#lastRow * width);
    for (let i = this.#first; i < this.#last; i++) this.#ends[i] = this.#ends[i]! - from;
    this.#firstRow = 0;
  }
}

function moved<A extends Float64Array | Uint32Array>(from: A, to: A, start: number, end: number): A {
  if (from.length === to.length) {
    from.copyWithin(0, start, end);
    return from;
  }
  to.set(from.subarray(start, end));
  return to;
}

function padded(values: Float64Array, least: number): Float64Array {
  if (values.length >= least) return values;
  const out = new Float64Array(least);
  out.set(values);
  return out;
}

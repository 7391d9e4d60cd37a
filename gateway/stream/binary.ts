/**
 * Compact little-endian encoding of processor state. Not a wire format: only the version that wrote a snapshot, or a
 * later one that knows its version byte, reads it back.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Growable writer. `finish` hands out a copy and empties the writer for the next row. */
export class StateWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  string(value: string): void {
    this.bytes(encoder.encode(value));
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Count, then the raw bytes of `values[from, to)`. */
  f64s(values: Float64Array, from: number, to: number): void {
    this.u32(to - from);
    this.#raw(values.buffer, values.byteOffset + from * 8, (to - from) * 8);
  }

  f32s(values: Float32Array): void {
    this.u32(values.length);
    this.#raw(values.buffer, values.byteOffset, values.length * 4);
  }

  finish(): Uint8Array {
    const out = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return out;
  }

  #raw(buffer: ArrayBufferLike, offset: number, length: number): void {
    this.#reserve(length);
    this.#bytes.set(new Uint8Array(buffer, offset, length), this.#length);
    this.#length += length;
  }

  #reserve(more: number): void {
    const need = this.#length + more;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what {@link StateWriter} wrote; a short or foreign row throws RangeError. */
export class StateReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  string(): string {
    return decoder.decode(this.#take(this.u32()));
  }

  bytes(): Uint8Array {
    return this.#take(this.u32()).slice();
  }

  f64s(): Float64Array {
    const copy = this.#take(this.u32() * 8).slice();
    return new Float64Array(copy.buffer);
  }

  f32s(): Float32Array {
    const copy = this.#take(this.u32() * 4).slice();
    return new Float32Array(copy.buffer);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('state row ends early');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

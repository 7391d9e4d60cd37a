import type { ByteWriter } from './types.ts';

const INITIAL_CAPACITY = 4096;
/** Strings up to this length are tried as ASCII first: cheaper than a call into the UTF-8 encoder. */
const SHORT_STRING = 40;

/** The growable buffer behind {@link ByteWriter}; also patches, truncates and gives out what was written. */
export class GrowableBytes implements ByteWriter {
  length = 0;
  #buffer: Buffer;
  #view: DataView;

  constructor(memory: number | ArrayBuffer = INITIAL_CAPACITY) {
    this.#buffer = Buffer.from(typeof memory === 'number' ? new ArrayBuffer(memory) : memory);
    this.#view = new DataView(this.#buffer.buffer);
  }

  get capacity(): number {
    return this.#buffer.length;
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#buffer.length) return;
    let capacity = this.#buffer.length * 2;
    while (capacity < needed) capacity *= 2;
    const grown = Buffer.from(new ArrayBuffer(capacity));
    grown.set(this.#buffer.subarray(0, this.length));
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.reserve(1);
    this.#buffer[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** LEB128 of a whole number from 0 to 2^53 − 1. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.#buffer[this.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#buffer[this.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.length++] = rest;
  }

  f64(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  string(value: string): void {
    const chars = value.length;
    if (chars <= SHORT_STRING) {
      this.reserve(chars + 1);
      const buffer = this.#buffer;
      const start = this.length;
      let at = start + 1;
      let index = 0;
      for (; index < chars; index++) {
        const code = value.charCodeAt(index);
        if (code > 127) break;
        buffer[at++] = code;
      }
      if (index === chars) {
        buffer[start] = chars;
        this.length = at;
        return;
      }
    }
    const size = Buffer.byteLength(value, 'utf8');
    this.varint(size);
    this.reserve(size);
    this.#buffer.write(value, this.length, size, 'utf8');
    this.length += size;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.#buffer.set(value, this.length);
    this.length += value.length;
  }

  /** Overwrites four bytes written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  truncate(length: number): void {
    this.length = length;
  }

  /** What was written, as a view that the next write may invalidate. */
  written(from = 0): Uint8Array {
    return this.#buffer.subarray(from, this.length);
  }

  /** Hands the underlying memory over; the writer must not be used afterwards. */
  release(): ArrayBuffer {
    return this.#buffer.buffer as ArrayBuffer;
  }
}

const float64 = new Float64Array(1);
const float64Bytes = new Uint8Array(float64.buffer);

/** Reads what {@link GrowableBytes} wrote. Throws RangeError past the end, never reads outside. */
export class ByteReader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    return this.#bytes[this.#pass(1)]!;
  }

  u16(): number {
    const at = this.#pass(2);
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(): number {
    const bytes = this.#bytes;
    const at = this.#pass(4);
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.#pass(1)]!;
      value += (byte & 127) * factor;
      if (byte < 128) break;
      factor *= 128;
      if (factor > 2 ** 49) throw new RangeError('varint is too long');
    }
    return value;
  }

  f64(): number {
    const at = this.#pass(8);
    for (let i = 0; i < 8; i++) float64Bytes[i] = this.#bytes[at + i]!;
    return float64[0]!;
  }

  string(): string {
    const length = this.varint();
    const from = this.#bytes.byteOffset + this.#pass(length);
    return bufferOf(this.#bytes.buffer).toString('utf8', from, from + length);
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#pass(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Where the next `length` bytes begin. */
  #pass(length: number): number {
    const { at } = this;
    if (!(length >= 0) || at + length > this.#bytes.length) throw new RangeError('read past the end');
    this.at = at + length;
    return at;
  }
}

let lastBuffer: Buffer = Buffer.alloc(0);

/** All of `memory`; one view serves the many strings of a segment. */
function bufferOf(memory: ArrayBufferLike): Buffer {
  if (lastBuffer.buffer !== memory) lastBuffer = Buffer.from(memory);
  return lastBuffer;
}

import { readSync, writeSync } from 'node:fs';
import { align, HEADER_BYTES, MAX_FRAME_BYTES } from '../frames.ts';

const READ_BYTES = 1024 * 1024;
const WRITE_BYTES = 256 * 1024;

/**
 * The host's end of the pipe, with blocking reads and writes: the host does one thing at a time, and an event loop
 * turn per frame would cost as much as a small model. The core never blocks, so two full pipes cannot lock up.
 */
export class Channel {
  readonly #fd: number;
  #in = new Uint8Array(new ArrayBuffer(READ_BYTES));
  #start = 0;
  #end = 0;
  #out = new ArrayBuffer(WRITE_BYTES);
  #used = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The next frame, valid until the next call; null when the core has closed the pipe. Sends what waits before it blocks. */
  next(): Uint8Array | null {
    for (;;) {
      const length = this.#length();
      if (length !== null && this.#end - this.#start >= length) {
        const frame = this.#in.subarray(this.#start, this.#start + length);
        this.#start += length;
        return frame;
      }
      this.flush();
      this.#makeRoom(length ?? HEADER_BYTES);
      const count = readSync(this.#fd, this.#in, this.#end, this.#in.length - this.#end, null);
      if (count === 0) return null;
      this.#end += count;
    }
  }

  /** `length` bytes (a multiple of 8) to write a frame into; they go out with the next flush. */
  reserve(length: number): { buffer: ArrayBuffer; offset: number } {
    if (this.#used + length > this.#out.byteLength) {
      this.flush();
      if (length > this.#out.byteLength) this.#out = new ArrayBuffer(length);
    }
    const offset = this.#used;
    this.#used += length;
    return { buffer: this.#out, offset };
  }

  send(frame: Uint8Array): void {
    const { buffer, offset } = this.reserve(align(frame.length));
    new Uint8Array(buffer, offset).set(frame);
  }

  flush(): void {
    const bytes = new Uint8Array(this.#out, 0, this.#used);
    let written = 0;
    while (written < this.#used) written += writeSync(this.#fd, bytes, written, this.#used - written);
    this.#used = 0;
    // One large answer must not keep its memory for good.
    if (this.#out.byteLength > WRITE_BYTES) this.#out = new ArrayBuffer(WRITE_BYTES);
  }

  #length(): number | null {
    if (this.#end - this.#start < 4) return null;
    const length = new Uint32Array(this.#in.buffer, this.#start, 1)[0]!;
    if (length < HEADER_BYTES || length > MAX_FRAME_BYTES || length % 8 !== 0)
      throw new RangeError(`a frame of ${length} bytes`);
    return length;
  }

  /** Moves what is there to the front, so that frames stay whole and aligned, and grows or shrinks to `length`. */
  #makeRoom(length: number): void {
    const rest = this.#in.subarray(this.#start, this.#end);
    const capacity = Math.max(READ_BYTES, length);
    if (rest.length === 0 && capacity === this.#in.length) {
      this.#start = 0;
      this.#end = 0;
      return;
    }
    if (
      capacity === this.#in.length &&
      this.#end < this.#in.length &&
      this.#start + length <= this.#in.length
    )
      return;
    if (capacity === this.#in.length) this.#in.copyWithin(0, this.#start, this.#end);
    else {
      const moved = new Uint8Array(new ArrayBuffer(capacity));
      moved.set(rest);
      this.#in = moved;
    }
    this.#start = 0;
    this.#end = rest.length;
  }
}

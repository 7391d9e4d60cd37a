/**
 * Frames between the core and the model host, over one pipe each way. Little-endian; a frame's length is a multiple of
 * 8 and its parts begin at multiples of 8, so that both sides look at numbers in place.
 *
 *     0  u32 length of the whole frame     16  u32 tensors (run and its reply)
 *     4  u8 kind, u8 status, u16 handle    20  u32 results that are wanted, as bits (run)
 *     8  u32 id, given back in the reply   24  f64 microseconds of compute (reply)
 *    12  u32 items (run)                   32  body
 *
 * Body of `RUN`: the tensors of the model's face, items along dimension 0 (`tensor-data.ts`), then per state slot the
 * values of all items. Its reply: the results that are wanted, then the state slots. Bodies of `CONTROL`, and of
 * replies with status `FAILED`: JSON padded with spaces.
 */
export const HEADER_BYTES = 32;

/** A longer frame is a mistake of the sender. */
export const MAX_FRAME_BYTES = 1024 * 1024 * 1024;

export const RUN = 1;
export const CONTROL = 2;

export const OK = 0;
/** The body is JSON `{code, message}`. */
export const FAILED = 1;

export interface FrameHeader {
  readonly kind: number;
  readonly status: number;
  readonly handle: number;
  readonly id: number;
  readonly items: number;
  readonly tensors: number;
  readonly wanted: number;
  readonly micros: number;
}

/** Every result. */
export const ALL = 0xffff_ffff;

/** Whether result `i` is in a set of bits; those from the 32nd on always are. */
export const isWanted = (bits: number, i: number): boolean => i > 31 || ((bits >>> i) & 1) === 1;

/** Bytes rounded up to the next multiple of 8. */
export const align = (bytes: number): number => (bytes + 7) & ~7;

/** Writes a header at `offset` (a multiple of 8) of `buffer`. */
export function writeHeader(
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
  header: Omit<FrameHeader, 'micros'>,
  micros = 0,
): void {
  const words = new Uint32Array(buffer, offset, 6);
  words[0] = length;
  words[1] = header.kind | (header.status << 8) | (header.handle << 16);
  words[2] = header.id;
  words[3] = header.items;
  words[4] = header.tensors;
  words[5] = header.wanted;
  new Float64Array(buffer, offset + 24, 1)[0] = micros;
}

/** Reads the header of a frame that begins at a multiple of 8 of its buffer. */
export function readHeader(frame: Uint8Array): FrameHeader {
  const words = new Uint32Array(frame.buffer, frame.byteOffset, 6);
  const tags = words[1]!;
  return {
    kind: tags & 0xff,
    status: (tags >>> 8) & 0xff,
    handle: tags >>> 16,
    id: words[2]!,
    items: words[3]!,
    tensors: words[4]!,
    wanted: words[5]!,
    micros: new Float64Array(frame.buffer, frame.byteOffset + 24, 1)[0]!,
  };
}

/** A whole frame with a JSON body. */
export function jsonFrame(kind: number, id: number, status: number, value: unknown, handle = 0): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(value));
  const frame = new Uint8Array(align(HEADER_BYTES + body.length)).fill(0x20);
  writeHeader(frame.buffer, 0, frame.length, { kind, status, handle, id, items: 0, tensors: 0, wanted: 0 });
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** The JSON body of a frame. */
export function jsonBody(frame: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(frame.subarray(HEADER_BYTES)));
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #pending: Uint8Array = new Uint8Array(0);
  readonly #onFrame: (frame: Uint8Array) => void;

  /** @param onFrame gets each whole frame, aligned; it may keep views of it */
  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Takes the next bytes. Throws a RangeError when they cannot be frames. */
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#pending.length > 0) {
      // Grows to the announced length at once, so that a large frame is copied once and not per chunk.
      bytes = this.#join(chunk);
      if (bytes.length === 0) return;
    }
    let offset = 0;
    while (bytes.length - offset >= 4) {
      const length = lengthAt(bytes, offset);
      if (offset + length > bytes.length) break;
      this.#onFrame(aligned(bytes.subarray(offset, offset + length)));
      offset += length;
    }
    this.#pending = bytes.slice(offset);
    this.#filled = this.#pending.length;
  }

  /** Bytes of `#pending` that are data, when it was made larger than what has come. */
  #filled = 0;

  #join(chunk: Uint8Array): Uint8Array {
    const total = this.#filled + chunk.length;
    if (this.#pending.length < total) {
      let capacity = total;
      if (this.#filled >= 4) capacity = Math.max(capacity, lengthAt(this.#pending, 0));
      const grown = new Uint8Array(capacity);
      grown.set(this.#pending.subarray(0, this.#filled));
      this.#pending = grown;
    }
    this.#pending.set(chunk, this.#filled);
    this.#filled = total;
    const complete = total >= 4 && total >= lengthAt(this.#pending, 0);
    return complete ? this.#pending.subarray(0, total) : new Uint8Array(0);
  }
}

function lengthAt(bytes: Uint8Array, offset: number): number {
  const length =
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>>
    0;
  if (length < HEADER_BYTES || length > MAX_FRAME_BYTES || length % 8 !== 0)
    throw new RangeError(`a frame of ${length} bytes`);
  return length;
}

const aligned = (frame: Uint8Array): Uint8Array => (frame.byteOffset % 8 === 0 ? frame : frame.slice());

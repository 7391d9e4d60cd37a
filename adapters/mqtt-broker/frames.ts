/**
 * Cuts a byte stream into MQTT control packets (MQTT 3.1.1 §2.2) without parsing them. Whole packets are handed out as
 * places in the chunk they came in; only a packet that spans chunks is copied, once, into a buffer that doubles up to
 * the packet's size, so a client that writes single bytes costs no more than another.
 */

/**
 * Takes the packet that `data` holds from `start` to `end`; its variable header begins at `body`. Answers whether more
 * may follow now: after false the rest waits for {@link FrameCutter.resume}.
 */
export type FrameListener = (data: Buffer, start: number, body: number, end: number) => boolean;

export type FrameFault = 'length' | 'too large';

const INITIAL = 256;

export class FrameCutter {
  readonly #maxPacket: number;
  readonly #listener: FrameListener;
  #rest: Buffer | null = null;
  #restLength = 0;
  #held = false;

  constructor(maxPacket: number, listener: FrameListener) {
    this.#maxPacket = maxPacket;
    this.#listener = listener;
  }

  /** Takes the next bytes. Answers what is wrong with them, or null. */
  push(chunk: Buffer): FrameFault | null {
    if (this.#held) {
      this.#gather(chunk, 0, chunk.length);
      return null;
    }
    let at = 0;
    if (this.#restLength > 0) {
      let total = packetLength(this.#rest!, this.#restLength);
      while (total === 0 && at < chunk.length) {
        this.#gather(chunk, at, ++at);
        total = packetLength(this.#rest!, this.#restLength);
      }
      if (total <= 0) return total === 0 ? null : 'length';
      if (total > this.#maxPacket) return 'too large';
      const missing = Math.min(total - this.#restLength, chunk.length - at);
      this.#gather(chunk, at, at + missing, total);
      at += missing;
      if (this.#restLength < total) return null;
      // The receiver may keep views into the packet, so its buffer is not used again.
      const packet = this.#rest!;
      this.#rest = null;
      this.#restLength = 0;
      this.#held = !this.#listener(packet, 0, bodyStart(packet, 0), total);
    }
    return this.#cut(chunk, at, chunk.length);
  }

  /** Goes on after the listener answered false. */
  resume(): FrameFault | null {
    if (!this.#held) return null;
    this.#held = false;
    const rest = this.#rest;
    if (!rest) return null;
    const length = this.#restLength;
    this.#rest = null;
    this.#restLength = 0;
    return this.#cut(rest, 0, length);
  }

  #cut(data: Buffer, from: number, length: number): FrameFault | null {
    let at = from;
    while (!this.#held && at < length) {
      const total = packetLength(data, length, at);
      if (total < 0) return 'length';
      if (total > this.#maxPacket) return 'too large';
      if (total === 0 || at + total > length) break;
      this.#held = !this.#listener(data, at, bodyStart(data, at), at + total);
      at += total;
    }
    if (at < length) this.#gather(data, at, length);
    return null;
  }

  #gather(data: Buffer, from: number, to: number, total = 0): void {
    const needed = this.#restLength + to - from;
    if (!this.#rest || this.#rest.length < needed) {
      const doubled = this.#rest ? this.#rest.length * 2 : INITIAL;
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, total > 0 ? Math.min(doubled, total) : doubled));
      this.#rest?.copy(grown, 0, 0, this.#restLength);
      this.#rest = grown;
    }
    data.copy(this.#rest, this.#restLength, from, to);
    this.#restLength = needed;
  }
}

/** Length of the packet at `at`; 0 when too little of it is there to know, -1 when its length field is malformed. */
function packetLength(data: Buffer, length: number, at = 0): number {
  let remaining = 0;
  let factor = 1;
  for (let i = at + 1; i < at + 5; i++) {
    if (i >= length) return 0;
    const byte = data[i]!;
    remaining += (byte & 127) * factor;
    if (byte < 128) return i + 1 - at + remaining;
    factor *= 128;
  }
  return -1;
}

function bodyStart(data: Buffer, at: number): number {
  let i = at + 1;
  while (data[i]! > 127) i++;
  return i + 1;
}

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/**
 * Corrects single flipped bits in a write-ahead log before SQLite reads it. SQLite takes the first frame whose checksum
 * fails for the torn end of the log and drops all commits behind it; one bad bit would cost every commit since the last
 * checkpoint. The checksum is linear, so the bit that makes it right again can be worked out, or at least that it was one bit.
 * Layout: sqlite.org/fileformat2.html §4.
 */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;
/** More bad bits than this are no accident of a cell or two. */
const MOST_BITS = 8;
/** 2^26 pages are 256 GiB. */
const MOST_PAGES = 2 ** 26;

interface Sum {
  readonly a: number;
  readonly b: number;
}

/** The checksum so far as the frames say, and as it is now that something was taken as it is. */
interface Chain {
  readonly said: Sum;
  readonly actual: Sum;
}

/** Where to flip which bit. */
interface Flip {
  readonly at: number;
  readonly mask: number;
}

/** Mends the log in place. Returns how many bits were corrected. */
export function mendLog(file: string): number {
  const fd = openSync(file, 'r+');
  try {
    const { size } = fstatSync(fd);
    if (size < HEADER_BYTES) return 0;
    const log = new LogFile(fd, size);
    const begun = log.mendHeader();
    return begun === undefined ? 0 : log.mendFrames(begun);
  } finally {
    closeSync(fd);
  }
}

class LogFile {
  readonly #fd: number;
  readonly #size: number;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #little = true;
  #mended = 0;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
    readSync(fd, this.#header, 0, HEADER_BYTES, 0);
  }

  /** Returns the checksum with which the frames begin; undefined when this is no log, or an empty one. */
  mendHeader(): Sum | undefined {
    if (this.#headerSum() !== undefined) return this.#headerSum();
    for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
      const flip = { at: bit >> 3, mask: 1 << (bit & 7) };
      this.#header[flip.at]! ^= flip.mask;
      const sum = this.#headerSum();
      if (sum !== undefined) {
        writeSync(this.#fd, this.#header, 0, HEADER_BYTES, 0);
        this.#mended++;
        return sum;
      }
      this.#header[flip.at]! ^= flip.mask;
    }
    return undefined;
  }

  mendFrames(begun: Sum): number {
    const pageBytes = viewOf(this.#header).getUint32(8);
    const frame = new Uint8Array(FRAME_HEADER_BYTES + pageBytes);
    let chain: Chain = { said: begun, actual: begun };
    for (let at = HEADER_BYTES; at + frame.length <= this.#size; at += frame.length) {
      readSync(this.#fd, frame, 0, frame.length, at);
      const next = this.#mendFrame(frame, chain, at);
      if (next === undefined || this.#mended > MOST_BITS) break;
      chain = next;
    }
    return this.#mended;
  }

  #headerSum(): Sum | undefined {
    const view = viewOf(this.#header);
    const magic = view.getUint32(0);
    if (magic !== MAGIC_LITTLE_ENDIAN && magic !== MAGIC_BIG_ENDIAN) return undefined;
    this.#little = magic === MAGIC_LITTLE_ENDIAN;
    const sum = this.#add({ a: 0, b: 0 }, view, 0, 24);
    return same(sum, { a: view.getUint32(24), b: view.getUint32(28) }) ? sum : undefined;
  }

  /** Returns the checksums up to and with the frame; undefined when the log ends before it. */
  #mendFrame(frame: Uint8Array, before: Chain, at: number): Chain | undefined {
    const view = viewOf(frame);
    const salts = this.#header.subarray(16, 24);
    const saltBits = bitsApart(frame.subarray(8, 16), salts);
    const stored = { a: view.getUint32(16), b: view.getUint32(20) };
    const sum = this.#frameSum(view, before.said);
    const sumBits = bitsIn(sum.a ^ stored.a) + bitsIn(sum.b ^ stored.b);
    let said = stored;
    let bad = saltBits + sumBits > 0;
    if (saltBits === 1 && sumBits === 0) frame.set(salts, 8);
    else if (saltBits === 0 && sumBits === 1) said = sum;
    else if (bad && !(saltBits === 0 && this.#flipBack(view, sum, stored))) return undefined;
    const actual = this.#frameSum(view, before.actual);
    if (bad) this.#mended++;
    if (!same(actual, stored)) {
      view.setUint32(16, actual.a);
      view.setUint32(20, actual.b);
      bad = true;
    }
    if (bad) writeSync(this.#fd, frame, 0, frame.length, at);
    return { said, actual };
  }

  /** Finds and mends the one bit that explains a wrong checksum. Returns false when no single bit does. */
  #flipBack(view: DataView, sum: Sum, stored: Sum): boolean {
    const flips = this.#findFlips(view, sum, stored);
    const inNumbers = flips.find((flip) => flip.at < 8);
    // Several bits may explain it, as happens with the high ones. Then the page is taken as it is, for what it holds
    // has checksums of its own, and the sums from there on are written anew.
    const flip =
      inNumbers !== undefined && absurd(view) ? inNumbers : flips.length === 1 ? flips[0] : undefined;
    if (flip !== undefined) view.setUint8(flip.at, view.getUint8(flip.at) ^ flip.mask);
    return flips.length > 0;
  }

  #frameSum(view: DataView, before: Sum): Sum {
    return this.#add(this.#add(before, view, 0, 8), view, FRAME_HEADER_BYTES, view.byteLength);
  }

  #add(begun: Sum, view: DataView, from: number, to: number): Sum {
    let { a, b } = begun;
    for (let at = from; at < to; at += 8) {
      a = (a + view.getUint32(at, this.#little) + b) >>> 0;
      b = (b + view.getUint32(at + 4, this.#little) + a) >>> 0;
    }
    return { a, b };
  }

  /** The bits each of which turns the checksum `sum` into `stored`: from the last pair of words back. */
  #findFlips(view: DataView, sum: Sum, stored: Sum): Flip[] {
    const flips: Flip[] = [];
    const wantedA = (stored.a - sum.a) >>> 0;
    const wantedB = (stored.b - sum.b) >>> 0;
    const effects: [Sum, Sum] = [
      { a: 1, b: 1 },
      { a: 0, b: 1 },
    ];
    for (let at = view.byteLength - 8; at >= 0; at = at === FRAME_HEADER_BYTES ? 0 : at - 8) {
      for (const second of [0, 1] as const) {
        const word = at + 4 * second;
        const value = view.getUint32(word, this.#little);
        for (let bit = 0; bit < 32; bit++) {
          const change = (value >>> bit) & 1 ? -(2 ** bit) : 2 ** bit;
          const { a, b } = effects[second];
          if (Math.imul(a, change) >>> 0 !== wantedA || Math.imul(b, change) >>> 0 !== wantedB) continue;
          const byte = this.#little ? bit >> 3 : 3 - (bit >> 3);
          flips.push({ at: word + byte, mask: 1 << (bit & 7) });
        }
      }
      if (at === 0) break;
      for (const index of [0, 1] as const) {
        const a = (effects[index].a + effects[index].b) >>> 0;
        effects[index] = { a, b: (effects[index].b + a) >>> 0 };
      }
    }
    return flips;
  }
}

/** Page number or size that no database of ours has. */
function absurd(frame: DataView): boolean {
  return frame.getUint32(0) === 0 || frame.getUint32(0) > MOST_PAGES || frame.getUint32(4) > MOST_PAGES;
}

function same(one: Sum, two: Sum): boolean {
  return one.a === two.a && one.b === two.b;
}

function bitsIn(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function bitsApart(one: Uint8Array, two: Uint8Array): number {
  return one.reduce((sum, byte, index) => sum + bitsIn(byte ^ two[index]!), 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

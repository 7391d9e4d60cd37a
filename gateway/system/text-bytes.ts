import { decimal, shortestDecimal, split } from './decimal.ts';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
/** Strings up to this length are tried as ASCII first: cheaper than a call into the UTF-8 encoder. */
const SHORT_STRING = 40;
/** UTF-8 bytes of one UTF-16 unit, at most. */
const MOST_BYTES = 3;
const BILLION = 1e9;
/** Digits of 0 … 99. */
const TENS = Uint8Array.from({ length: 100 }, (_, pair) => ZERO + Math.floor(pair / 10));
const UNITS = Uint8Array.from({ length: 100 }, (_, pair) => ZERO + (pair % 10));
/** What a cleared text keeps of its memory, at most. */
const MOST_KEPT = 1024 * 1024;
/** Whole numbers below this are written digit by digit: six digits above a billion and nine below. */
const MOST_WHOLE = 1e15;
const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const PADDING = 61;

/**
 * Text under construction as UTF-8: what is written many times a second is put together here once, byte by byte, and
 * hashed, measured and turned into a string from here, in place of strings that are joined and encoded for each of these.
 */
export class TextBytes {
  length = 0;
  #buffer: Buffer;
  /** Whether only ASCII was written since the last {@link clear}: then a byte is a character. */
  #ascii = true;

  constructor(capacity = 4096) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  clear(): void {
    this.length = 0;
    this.#ascii = true;
    if (this.#buffer.length > MOST_KEPT) this.#buffer = Buffer.allocUnsafeSlow(MOST_KEPT);
  }

  /** @param code below 128 */
  char(code: number): void {
    this.#reserve(1);
    this.#buffer[this.length++] = code;
  }

  /** Text that is UTF-8 already, see {@link utf8Of}. */
  part({ bytes, ascii }: Utf8): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
    if (!ascii) this.#ascii = false;
  }

  string(value: string): void {
    const { length } = value;
    this.#reserve(length * MOST_BYTES);
    const buffer = this.#buffer;
    const start = this.length;
    if (length <= SHORT_STRING) {
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code > 127) break;
        buffer[start + index] = code;
      }
      if (index === length) {
        this.length = start + length;
        return;
      }
    }
    const size = buffer.write(value, start, 'utf8');
    if (size !== length) this.#ascii = false;
    this.length = start + size;
  }

  /** A number as `String` writes it. */
  number(value: number): void {
    if (!(value >= 0 && value < MOST_WHOLE && Math.floor(value) === value)) {
      this.string(String(value));
      return;
    }
    this.#reserve(16);
    if (value < BILLION) {
      this.#whole(value);
      return;
    }
    const high = Math.floor(value / BILLION);
    this.#whole(high);
    this.#padded(value - high * BILLION, 9);
  }

  /** A float32 with as many digits as tell it apart: what `String(shortestDecimal(value))` is. */
  float32(value: number): void {
    const size = Math.abs(value);
    if (Math.floor(size) === size || !split(size)) {
      this.number(shortestDecimal(value));
      return;
    }
    this.#reserve(24);
    if (value < 0) this.#buffer[this.length++] = MINUS;
    const { digits, scale } = decimal;
    const divisor = 10 ** scale;
    const whole = Math.floor(digits / divisor);
    this.#whole(whole);
    if (scale === 0) return;
    this.#buffer[this.length++] = POINT;
    this.#padded(digits - whole * divisor, scale);
  }

  /** The bytes `[from, to)` of `bytes` (RFC 4648 §4, with padding). */
  base64(bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(Math.ceil((to - from) / 3) * 4);
    const buffer = this.#buffer;
    const end = to - ((to - from) % 3);
    let at = this.length;
    for (let i = from; i < end; i += 3) {
      const three = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
      buffer[at++] = BASE64[three >> 18]!;
      buffer[at++] = BASE64[(three >> 12) & 63]!;
      buffer[at++] = BASE64[(three >> 6) & 63]!;
      buffer[at++] = BASE64[three & 63]!;
    }
    if (end < to) {
      const rest = (bytes[end]! << 16) | (end + 1 < to ? bytes[end + 1]! << 8 : 0);
      buffer[at++] = BASE64[rest >> 18]!;
      buffer[at++] = BASE64[(rest >> 12) & 63]!;
      buffer[at++] = end + 1 < to ? BASE64[(rest >> 6) & 63]! : PADDING;
      buffer[at++] = PADDING;
    }
    this.length = at;
  }

  text(from: number, to: number): string {
    return this.#buffer.toString(this.#ascii ? 'latin1' : 'utf8', from, to);
  }

  /** What was written, as a view that the next write may invalidate. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  /** @param value below a billion */
  #whole(value: number): void {
    let digits = 1;
    for (let bound = 10; digits < 9 && value >= bound; bound *= 10) digits++;
    this.#padded(value, digits);
  }

  #padded(value: number, digits: number): void {
    const buffer = this.#buffer;
    const start = this.length;
    // Below 2^31: integer arithmetic, two digits a step.
    let rest = value | 0;
    let at = start + digits;
    while (at > start + 1) {
      const next = (rest / 100) | 0;
      const pair = rest - next * 100;
      buffer[--at] = UNITS[pair]!;
      buffer[--at] = TENS[pair]!;
      rest = next;
    }
    if (at > start) buffer[start] = ZERO + (rest % 10);
    this.length = start + digits;
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#buffer.length) return;
    let capacity = this.#buffer.length * 2;
    while (capacity < needed) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    grown.set(this.#buffer.subarray(0, this.length));
    this.#buffer = grown;
  }
}

/** Text as UTF-8, made once and written often. */
export interface Utf8 {
  readonly bytes: Uint8Array;
  readonly ascii: boolean;
}

export function utf8Of(text: string): Utf8 {
  const bytes = Buffer.from(text, 'utf8');
  return { bytes, ascii: bytes.length === text.length };
}

/**
 * Reads chosen members of a JSON object straight from its bytes, without a string or a tree of the whole payload: what
 * most devices send is one object of a few scalars. It answers only where it is certain to answer as JSON.parse does;
 * for everything else (another root, non-ASCII text, escapes, deep nesting, anything malformed) it answers undefined,
 * and the caller parses the payload in full. Only the members asked for are looked at beyond their syntax.
 */
export class FlatJson {
  readonly #names: readonly string[];
  readonly #keys: readonly Uint8Array[];
  /** Handed out again and again: what is read must be taken out of it before the next call. */
  readonly #members: Record<string, unknown> = {};
  /** Payloads that are not looked at, because one lately was of another kind. */
  #pause = 0;

  /** Whether members of these names can be read at all. */
  static suits(names: readonly string[]): boolean {
    return names.every((name) => /^[ !#-[\]-~]+$/.test(name) && name !== '__proto__');
  }

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#keys = names.map((name) => new Uint8Array(Buffer.from(name, 'latin1')));
  }

  /** The members by name, undefined where the payload has none; undefined when the payload must be parsed in full. */
  read(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
    if (this.#pause > 0) {
      this.#pause--;
      return undefined;
    }
    for (let i = 0; i < this.#names.length; i++) this.#members[this.#names[i]!] = undefined;
    if (this.#object(payload)) return this.#members;
    this.#pause = PAUSE;
    return undefined;
  }

  #object(bytes: Uint8Array): boolean {
    let at = skipSpace(bytes, 0);
    if (bytes[at] !== OPEN_OBJECT) return false;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === CLOSE_OBJECT) return skipSpace(bytes, at + 1) === bytes.length;
    for (let expected = 0; ; ) {
      const end = stringEnd(bytes, at);
      if (end < 0) return false;
      const member = this.#find(bytes, at + 1, end, expected);
      at = skipSpace(bytes, end + 1);
      if (bytes[at] !== COLON) return false;
      at = skipSpace(bytes, at + 1);
      at = member < 0 ? skipValue(bytes, at, 0) : this.#take(bytes, at, member);
      if (at < 0) return false;
      if (member >= 0) expected = member + 1;
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_OBJECT) return skipSpace(bytes, at + 1) === bytes.length;
      if (bytes[at] !== COMMA) return false;
      at = skipSpace(bytes, at + 1);
    }
  }

  /** Number of the wanted member whose name is `bytes[from, to)`, -1 when it is none; looked for from `expected` on. */
  #find(bytes: Uint8Array, from: number, to: number, expected: number): number {
    const count = this.#keys.length;
    for (let i = 0; i < count; i++) {
      const member = (expected + i) % count;
      const key = this.#keys[member]!;
      if (key.length !== to - from) continue;
      let same = 0;
      while (same < key.length && key[same] === bytes[from + same]) same++;
      if (same === key.length) return member;
    }
    return -1;
  }

  /** Takes the scalar at `at`; answers where it ends, -1 when it is no scalar that can be read here. */
  #take(bytes: Uint8Array, at: number, member: number): number {
    const name = this.#names[member]!;
    const first = bytes[at];
    if (first === QUOTE) {
      const end = stringEnd(bytes, at);
      if (end < 0) return -1;
      this.#members[name] = ascii(bytes, at + 1, end);
      return end + 1;
    }
    const end = skipValue(bytes, at, MAX_DEPTH);
    if (end < 0) return -1;
    this.#members[name] =
      first === LETTER_T
        ? true
        : first === LETTER_F
          ? false
          : first === LETTER_N
            ? null
            : numberOf(bytes, at, end);
    return end;
  }
}

const PAUSE = 63;
/** Deeper ones are left to JSON.parse. */
const MAX_DEPTH = 16;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LETTER_E = 0x65;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const TRUE = new Uint8Array(Buffer.from('true'));
const FALSE = new Uint8Array(Buffer.from('false'));
const NULL = new Uint8Array(Buffer.from('null'));

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE;

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** 1 for bytes that stand for themselves in a string: ASCII but control characters, quote and backslash. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** Place of the closing quote of the string whose opening one stands at `at`; -1 when it is not plain ASCII. */
function stringEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const { length } = bytes;
  let end = at + 1;
  while (end < length && PLAIN[bytes[end]!] === 1) end++;
  return end < length && bytes[end] === QUOTE ? end : -1;
}

/** Where the value at `at` ends; -1 when it is malformed or not for this reader. */
function skipValue(bytes: Uint8Array, at: number, depth: number): number {
  switch (bytes[at]) {
    case QUOTE: {
      const end = stringEnd(bytes, at);
      return end < 0 ? -1 : end + 1;
    }
    case OPEN_OBJECT:
    case OPEN_ARRAY:
      return depth >= MAX_DEPTH ? -1 : skipNested(bytes, at, depth);
    case LETTER_T:
      return skipWord(bytes, at, TRUE);
    case LETTER_F:
      return skipWord(bytes, at, FALSE);
    case LETTER_N:
      return skipWord(bytes, at, NULL);
    default:
      return skipNumber(bytes, at);
  }
}

function skipNested(bytes: Uint8Array, from: number, depth: number): number {
  const object = bytes[from] === OPEN_OBJECT;
  const close = object ? CLOSE_OBJECT : CLOSE_ARRAY;
  let at = skipSpace(bytes, from + 1);
  if (bytes[at] === close) return at + 1;
  for (;;) {
    if (object) {
      const end = stringEnd(bytes, at);
      if (end < 0) return -1;
      at = skipSpace(bytes, end + 1);
      if (bytes[at] !== COLON) return -1;
      at = skipSpace(bytes, at + 1);
    }
    at = skipValue(bytes, at, depth + 1);
    if (at < 0) return -1;
    at = skipSpace(bytes, at);
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== COMMA) return -1;
    at = skipSpace(bytes, at + 1);
  }
}

function skipWord(bytes: Uint8Array, at: number, word: Uint8Array): number {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return -1;
  return at + word.length;
}

/** RFC 8259 §6. */
function skipNumber(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from;
  if (!isDigit(bytes[at])) return -1;
  if (bytes[at] === ZERO) at++;
  else while (isDigit(bytes[at])) at++;
  if (bytes[at] === POINT) {
    if (!isDigit(bytes[++at])) return -1;
    while (isDigit(bytes[at])) at++;
  }
  if ((bytes[at]! | 0x20) !== LETTER_E) return at;
  at++;
  if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
  if (!isDigit(bytes[at])) return -1;
  while (isDigit(bytes[at])) at++;
  return at;
}

/** Powers of ten that a double holds exactly. */
const TENS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The double nearest to the decimal number `bytes[from, to)`. When its digits are an integer that a double holds and the
 * power of ten is exact too, one division rounds once and so rightly (Clinger 1990); else the engine reads it.
 */
function numberOf(bytes: Uint8Array, from: number, to: number): number {
  const negative = bytes[from] === MINUS;
  let digits = 0;
  let places = 0;
  let fraction = 0;
  for (let at = negative ? from + 1 : from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === POINT) fraction = 1;
    else if (byte >= ZERO && byte <= NINE) {
      digits = digits * 10 + (byte - ZERO);
      places += fraction;
    } else return Number(ascii(bytes, from, to));
  }
  if (digits > Number.MAX_SAFE_INTEGER || places >= TENS.length) return Number(ascii(bytes, from, to));
  const value = digits / TENS[places]!;
  return negative ? -value : value;
}

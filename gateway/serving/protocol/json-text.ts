/**
 * JSON as clients of the protocol write it: `NaN`, `Infinity` and `-Infinity` may stand for numbers (Triton and
 * Python's json write them), and the exact digits of 64-bit integers can be had. Positions are in UTF-16 units.
 */

const QUOTE = 34;
const BACKSLASH = 92;

/** Parses a document. `text` is what was parsed: with the tokens that JSON lacks replaced. @throws SyntaxError */
export function parseJson(text: string): { value: unknown; text: string } {
  try {
    return { value: JSON.parse(text), text };
  } catch (error) {
    if (!text.includes('NaN') && !text.includes('Infinity')) throw error;
    const plain = withPlainNumbers(text);
    return { value: JSON.parse(plain), text: plain };
  }
}

/** `NaN` becomes null, which counts as NaN in floating-point data; infinities become numbers beyond all. */
function withPlainNumbers(text: string): string {
  let out = '';
  let at = 0;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    const end = quote < 0 ? text.length : quote;
    out += text.slice(at, end).replaceAll('NaN', 'null').replaceAll('Infinity', '1e999');
    at = quote < 0 ? end : skipString(text, quote);
    out += text.slice(end, at);
  }
  return out;
}

/** The position behind a string that begins at `at`. */
function skipString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** How many bytes the object takes with which a body begins; -1 when it does not end. */
export function objectBytes(body: Uint8Array): number {
  let depth = 0;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!;
    if (byte === QUOTE) {
      for (i++; i < body.length && body[i] !== QUOTE; i++) if (body[i] === BACKSLASH) i++;
    } else if (byte === 123 || byte === 91) depth++;
    else if ((byte === 125 || byte === 93) && --depth === 0) return i + 1;
  }
  return -1;
}

/** Where a value begins. */
function skipSpace(text: string, at: number): number {
  let i = at;
  while (text.charCodeAt(i) <= 32) i++;
  return i;
}

/** The position behind a value of a valid document. */
function skipValue(text: string, from: number): number {
  let i = skipSpace(text, from);
  let depth = 0;
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = skipString(text, i) - 1;
      if (depth === 0) return i + 1;
    } else if (unit === 123 || unit === 91) depth++;
    else if (unit === 125 || unit === 93) {
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (unit === 44 || unit <= 32)) return i;
  }
  return i;
}

/** Where the value of a key begins in the object at `from`, the last one if the key is repeated; -1 without it. */
function memberAt(text: string, from: number, key: string): number {
  let found = -1;
  let i = skipSpace(text, skipSpace(text, from) + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const end = skipString(text, i);
    const value = skipSpace(text, skipSpace(text, end) + 1);
    if (JSON.parse(text.slice(i, end)) === key) found = value;
    i = skipSpace(text, skipValue(text, value));
    if (text.charCodeAt(i) === 44) i = skipSpace(text, i + 1);
  }
  return found;
}

/** Where an element of the array at `from` begins. */
function elementOf(text: string, from: number, index: number): number {
  let i = skipSpace(text, from + 1);
  for (let n = 0; n < index; n++) i = skipSpace(text, skipSpace(text, skipValue(text, i)) + 1);
  return i;
}

/** The numbers in `inputs[index].data` of a valid request, each as it is written, in order. */
export function numbersAsWritten(text: string, index: number): string[] {
  const input = elementOf(text, memberAt(text, 0, 'inputs'), index);
  const from = memberAt(text, input, 'data');
  return text.slice(from, skipValue(text, from)).match(/[-+.\deE]+/g) ?? [];
}

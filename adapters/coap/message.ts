import { NO_OPTIONS, OptionSet, type RawOption } from './options.ts';
import { Code, type MessageType } from './protocol.ts';

/**
 * The message format of RFC 7252 §3, read strictly: a length that reaches past the datagram, a reserved nibble, a
 * payload marker with nothing after it or an empty message with content is a format error and never a guess.
 */
export interface Message {
  readonly type: MessageType;
  readonly code: number;
  readonly id: number;
  readonly token: Buffer;
  readonly options: OptionSet;
  readonly payload: Buffer;
}

/** A datagram of version 1 whose header can be read but whose rest cannot. */
export interface Malformed {
  readonly malformed: true;
  readonly type: MessageType;
  readonly id: number;
}

const EMPTY = Buffer.alloc(0);
/** Longest option part that is remembered. Readings have some 30 bytes. */
const MAX_REMEMBERED = 256;

/**
 * Remembers decoded options by their bytes: a device sends the same ones with every reading. When full, it starts
 * over, so hostile variety costs time and never memory.
 */
export class OptionCache {
  readonly #sets = new Map<string, OptionSet>();
  readonly #max: number;

  constructor(max = 4096) {
    this.#max = max;
  }

  get(datagram: Buffer, start: number, end: number): OptionSet {
    if (start === end) return NO_OPTIONS;
    if (end - start > MAX_REMEMBERED) return new OptionSet(readOptions(datagram, start, end));
    const key = datagram.toString('latin1', start, end);
    let set = this.#sets.get(key);
    if (set === undefined) {
      // Copied, so that the cache does not hold on to datagrams.
      const copy = Buffer.from(datagram.subarray(start, end));
      set = new OptionSet(readOptions(copy, 0, copy.length));
      // Options of a block transfer differ from block to block and would only push others out.
      if (set.block1 !== undefined || set.block2 !== undefined) return set;
      if (this.#sets.size >= this.#max) this.#sets.clear();
      this.#sets.set(key, set);
    }
    return set;
  }

  get size(): number {
    return this.#sets.size;
  }
}

/** Reads a datagram. Null when it is no CoAP message of version 1 and must be ignored silently (§3). */
export function parseMessage(datagram: Buffer, cache: OptionCache): Message | Malformed | null {
  const length = datagram.length;
  if (length < 4) return null;
  const first = datagram[0]!;
  if (first >> 6 !== 1) return null;
  const type = ((first >> 4) & 3) as MessageType;
  const tokenLength = first & 15;
  const code = datagram[1]!;
  const id = (datagram[2]! << 8) | datagram[3]!;
  const start = 4 + tokenLength;
  if (code === Code.EMPTY) {
    if (length !== 4 || tokenLength !== 0) return { malformed: true, type, id };
    return { type, code, id, token: EMPTY, options: NO_OPTIONS, payload: EMPTY };
  }
  if (tokenLength > 8 || start > length) return { malformed: true, type, id };
  const end = scanOptions(datagram, start);
  if (end < 0 || (end < length && end + 1 === length)) return { malformed: true, type, id };
  return {
    type,
    code,
    id,
    token: tokenLength === 0 ? EMPTY : datagram.subarray(4, start),
    options: cache.get(datagram, start, end),
    payload: end === length ? EMPTY : datagram.subarray(end + 1),
  };
}

/** Where the options end (the payload marker or the end of the datagram), or -1 when they are malformed (§3.1). */
function scanOptions(datagram: Buffer, start: number): number {
  const length = datagram.length;
  let at = start;
  let number = 0;
  while (at < length) {
    const byte = datagram[at]!;
    if (byte === 0xff) return at;
    at += 1;
    let delta = byte >> 4;
    let size = byte & 15;
    if (delta === 15 || size === 15) return -1;
    if (delta === 13) {
      delta = datagram[at]! + 13;
      at += 1;
    } else if (delta === 14) {
      delta = datagram[at]! * 256 + datagram[at + 1]! + 269;
      at += 2;
    }
    if (size === 13) {
      size = datagram[at]! + 13;
      at += 1;
    } else if (size === 14) {
      size = datagram[at]! * 256 + datagram[at + 1]! + 269;
      at += 2;
    }
    number += delta;
    at += size;
    // Beyond the end the reads above give NaN, which fails this comparison too.
    if (!(at <= length && number <= 0xffff)) return -1;
  }
  return at;
}

/** The options between two offsets that {@link scanOptions} has found sound. */
function readOptions(bytes: Buffer, start: number, end: number): RawOption[] {
  const options: RawOption[] = [];
  let at = start;
  let number = 0;
  while (at < end) {
    const byte = bytes[at]!;
    at += 1;
    let delta = byte >> 4;
    let size = byte & 15;
    if (delta === 13) delta = bytes[at++]! + 13;
    else if (delta === 14) {
      delta = bytes.readUInt16BE(at) + 269;
      at += 2;
    }
    if (size === 13) size = bytes[at++]! + 13;
    else if (size === 14) {
      size = bytes.readUInt16BE(at) + 269;
      at += 2;
    }
    number += delta;
    options.push({ number, value: bytes.subarray(at, at + size) });
    at += size;
  }
  return options;
}

/** A message of header and token alone: empty messages, and responses that say all with their code. */
export function encodeBare(type: MessageType, code: number, id: number, token: Uint8Array): Buffer {
  const size = token.length;
  const out = Buffer.allocUnsafe(4 + size);
  out[0] = 0x40 | (type << 4) | size;
  out[1] = code;
  out[2] = id >> 8;
  out[3] = id & 255;
  for (let i = 0; i < size; i += 1) out[4 + i] = token[i]!;
  return out;
}

/** Any message. `options` must be in ascending order of their numbers. */
export function encodeMessage(
  type: MessageType,
  code: number,
  id: number,
  token: Uint8Array,
  options: readonly RawOption[],
  payload: Uint8Array,
): Buffer {
  let size = 4 + token.length + (payload.length > 0 ? 1 + payload.length : 0);
  for (const option of options) size += 5 + option.value.length;
  const out = Buffer.allocUnsafe(size);
  out[0] = 0x40 | (type << 4) | token.length;
  out[1] = code;
  out[2] = id >> 8;
  out[3] = id & 255;
  out.set(token, 4);
  let at = 4 + token.length;
  let previous = 0;
  for (const { number, value } of options) {
    const head = at;
    at = writeExtended(out, head + 1, number - previous);
    out[head] = nibble(number - previous) << 4;
    at = writeExtended(out, at, value.length);
    out[head]! |= nibble(value.length);
    out.set(value, at);
    at += value.length;
    previous = number;
  }
  if (payload.length > 0) {
    out[at] = 0xff;
    out.set(payload, at + 1);
    at += 1 + payload.length;
  }
  return out.subarray(0, at);
}

function nibble(value: number): number {
  if (value < 13) return value;
  return value < 269 ? 13 : 14;
}

function writeExtended(out: Buffer, at: number, value: number): number {
  if (value < 13) return at;
  if (value < 269) {
    out[at] = value - 13;
    return at + 1;
  }
  out.writeUInt16BE(value - 269, at);
  return at + 2;
}

import { keccak_256 } from '@noble/hashes/sha3.js';

/** Bytes as proofs hold them. Throws a RangeError for what is not a hexadecimal string. */
export function fromHex(text: string): Uint8Array {
  if (!/^0x(?:[0-9a-f]{2})*$/.test(text))
    throw new RangeError(`not lower-case hexadecimal: ${text.slice(0, 20)}`);
  const bytes = new Uint8Array(text.length / 2 - 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i + 2, 2 * i + 4), 16);
  return bytes;
}

export const toHex = (bytes: Uint8Array): string =>
  `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Keccak-256 of the concatenated parts. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return keccak_256(all);
}

export const hashOfText = (text: string): Uint8Array => keccak(utf8(text));

/** A 32-byte big-endian word. */
export const word = (value: bigint | number): Uint8Array =>
  fromHex(`0x${BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, '0')}`);

/** An address as a word: the last 20 of 32 bytes. Throws a RangeError for other spellings, so that there is one of each. */
export function addressWord(address: string): Uint8Array {
  const bytes = fromHex(address);
  if (bytes.length !== 20) throw new RangeError(`not an address: ${address.slice(0, 50)}`);
  const out = new Uint8Array(32);
  out.set(bytes, 12);
  return out;
}

export function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

/** RFC 8785 (JSON Canonicalization Scheme). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

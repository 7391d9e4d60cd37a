import { keccak_256 } from '@noble/hashes/sha3.js';

/** `0x` and lower-case hexadecimal digits, two a byte. */
export type Hex = `0x${string}`;

/** Keccak-256 of the concatenated parts. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  return keccak_256(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
}

export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

export const toHex = (bytes: Uint8Array): Hex =>
  `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;

/** Bytes of a hexadecimal string with or without `0x`. Throws a RangeError when it is not one. */
export function fromHex(text: string): Uint8Array {
  const digits = text.startsWith('0x') ? text.slice(2) : text;
  if (digits.length % 2 || !/^[0-9a-fA-F]*$/.test(digits)) throw new RangeError('not a hexadecimal string');
  return Buffer.from(digits, 'hex');
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Writes a non-negative integer as a 32-byte big-endian word at `offset`. */
export function putUint(out: Uint8Array, offset: number, value: bigint | number): void {
  const view = new DataView(out.buffer, out.byteOffset + offset, 32);
  if (typeof value === 'number') {
    out.fill(0, offset, offset + 24);
    view.setBigUint64(24, BigInt(value));
    return;
  }
  for (let i = 0; i < 4; i++) view.setBigUint64(i * 8, BigInt.asUintN(64, value >> BigInt(64 * (3 - i))));
}

/** A 32-byte big-endian word. */
export function uintWord(value: bigint | number): Uint8Array {
  const out = new Uint8Array(32);
  putUint(out, 0, value);
  return out;
}

export const ZERO_WORD: Uint8Array = new Uint8Array(32);

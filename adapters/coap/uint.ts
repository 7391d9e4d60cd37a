/** Big-endian unsigned integer of zero to four bytes (RFC 7252 §3.2). */
export function readUint(value: Uint8Array): number {
  let number = 0;
  for (const byte of value) number = number * 256 + byte;
  return number;
}

/** The shortest form of an unsigned integer below 2^32: 0 is the empty value. */
export function writeUint(number: number): Buffer {
  if (number === 0) return Buffer.alloc(0);
  if (number < 0x100) return Buffer.from([number]);
  if (number < 0x10000) return Buffer.from([number >>> 8, number & 255]);
  if (number < 0x1000000) return Buffer.from([number >>> 16, (number >>> 8) & 255, number & 255]);
  return Buffer.from([number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255]);
}

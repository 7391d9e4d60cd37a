/** Recursive Length Prefix encoding (Ethereum yellow paper, appendix B) of byte strings and lists of them. */
export type RlpItem = Uint8Array | readonly RlpItem[];

export function rlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    return item.length === 1 && item[0]! < 0x80 ? item : Buffer.concat([prefix(0x80, item.length), item]);
  }
  const body = Buffer.concat(item.map(rlp));
  return Buffer.concat([prefix(0xc0, body.length), body]);
}

/** A non-negative integer as RLP wants it: big-endian without leading zeros, zero as the empty string. */
export function rlpInteger(value: bigint | number): Uint8Array {
  const digits = BigInt(value).toString(16);
  return digits === '0' ? new Uint8Array(0) : Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex');
}

function prefix(base: number, length: number): Uint8Array {
  if (length < 56) return Uint8Array.of(base + length);
  const size = rlpInteger(length);
  return Uint8Array.of(base + 55 + size.length, ...size);
}

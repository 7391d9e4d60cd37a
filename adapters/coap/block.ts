import { writeUint } from './uint.ts';

/** Value of a Block1 or Block2 option (RFC 7959 §2.2). */
export interface Block {
  readonly num: number;
  readonly more: boolean;
  /** Size exponent: the block is 2^(szx + 4) bytes; 7 is reserved. */
  readonly szx: number;
}

/** 1,024 bytes: the largest block there is, and one Ethernet frame with room for the options. */
export const MAX_SZX = 6;

export function blockSize(szx: number): number {
  return 1 << (szx + 4);
}

export function readBlock(value: Uint8Array): Block {
  let number = 0;
  for (const byte of value) number = (number << 8) | byte;
  return { num: number >>> 4, more: (number & 8) !== 0, szx: number & 7 };
}

export function writeBlock(block: Block): Buffer {
  return writeUint(block.num * 16 + (block.more ? 8 : 0) + block.szx);
}

import type { StreamConfig } from '../../config/schema.ts';
import { readCbor } from './cbor-reader.ts';
import type { Decoder } from './decoder.ts';
import { compileTree } from './tree.ts';

/** CBOR (RFC 8949), addressed by the same paths as JSON. */
export function cborDecoder(stream: StreamConfig): Decoder {
  const map = compileTree(stream);
  return (payload, context) => map(readCbor(payload), context);
}

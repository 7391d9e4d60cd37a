import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { Decoder } from './decoder.ts';
import { textOf } from './text-of.ts';
import { compileTree } from './tree.ts';

/**
 * JSON (RFC 8259). Of duplicate names the last counts, and integers beyond 2^53 become the nearest double: both as
 * every JavaScript reader of the same payload would see it. What overflows a double is rejected.
 */
export function jsonDecoder(stream: StreamConfig): Decoder {
  const map = compileTree(stream);
  return (payload, context) => map(parseJson(payload), context);
}

/** @throws GatewayError DECODE_EMPTY, DECODE_SYNTAX */
export function parseJson(payload: Uint8Array): unknown {
  const text = textOf(payload);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError('DECODE_SYNTAX', `not JSON: ${(error as Error).message.slice(0, 160)}`, {
      received: text.slice(0, 80),
      expected: 'JSON (RFC 8259)',
      cause: error,
    });
  }
}

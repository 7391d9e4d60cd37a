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
  const exact = Object.values(stream.fields ?? {}).some(({ datatype }) => datatype?.endsWith('INT64'));
  const parse = exact ? parseExactJson : parseJson;
  return (payload, context) => map(parse(payload), context);
}

/** @throws GatewayError DECODE_EMPTY, DECODE_SYNTAX */
export function parseJson(payload: Uint8Array): unknown {
  return parse(textOf(payload), undefined);
}

/** Like {@link parseJson}, with integers beyond 2^53 as bigint. */
function parseExactJson(payload: Uint8Array): unknown {
  const text = textOf(payload);
  return parse(text, /\d{16}/.test(text) ? exactIntegers : undefined);
}

/** The third argument of a reviver holds the text of the value (ECMAScript 2026, JSON.parse source text access). */
function exactIntegers(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  const large = typeof value === 'number' && !Number.isSafeInteger(value);
  return large && /^-?\d{1,20}$/.test(context?.source ?? '') ? BigInt(context!.source!) : value;
}

function parse(text: string, reviver: typeof exactIntegers | undefined): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch (error) {
    throw new GatewayError('DECODE_SYNTAX', `not JSON: ${(error as Error).message.slice(0, 160)}`, {
      received: text.slice(0, 80),
      expected: 'JSON (RFC 8259)',
      cause: error,
    });
  }
}

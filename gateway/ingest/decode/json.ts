import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { compilePath } from '../fields/path.ts';
import type { Decoder } from './decoder.ts';
import { FlatJson } from './flat-json.ts';
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
  const flat = flatReader(stream);
  if (flat === undefined) return (payload, context) => map(parse(payload), context);
  return (payload, context) => map(flat.read(payload) ?? parse(payload), context);
}

/** The short way, for streams that take scalar members of the root and nothing else. */
function flatReader({ fields, time }: StreamConfig): FlatJson | undefined {
  if (fields === undefined) return undefined;
  const paths = Object.entries(fields).map(([name, { path }]) =>
    path === undefined ? [name] : compilePath(path).steps,
  );
  if (time !== undefined) paths.push(compilePath(time.path).steps);
  const members = [...new Set(paths.map((steps) => (steps.length === 1 ? steps[0]! : Number.NaN)))];
  const scalars = Object.values(fields).every(({ type }) => SCALARS.has(type));
  const named = members.every((member): member is string => typeof member === 'string');
  return scalars && named && FlatJson.suits(members) ? new FlatJson(members) : undefined;
}

const SCALARS: ReadonlySet<string> = new Set(['number', 'string', 'boolean']);

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

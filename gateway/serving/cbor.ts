import { decode, encode } from 'cbor2';
import { invalid } from './protocol/invalid.ts';
import { parseJson } from './protocol/json-text.ts';
import { bodyOf, type ParsedBody } from './protocol/request.ts';
import type { EncodedBody } from './protocol/response.ts';

const NONE = new Uint8Array(0);

/** A request in CBOR: the same members as in JSON; data may be typed arrays (RFC 8746), BYTES byte strings. */
export function bodyFromCbor(body: Uint8Array): ParsedBody {
  let value: unknown;
  try {
    value = decode(body, { preferMap: false, rejectDuplicateKeys: true });
  } catch (error) {
    throw invalid(`the request is no CBOR: ${(error as Error).message.slice(0, 200)}`);
  }
  return bodyOf(value, '', NONE);
}

/** An answer in CBOR: what its JSON says. Outputs that were asked for as binary data follow as they are. */
export function bodyToCbor({ body, headerBytes }: EncodedBody): EncodedBody {
  const json = Buffer.from(body.buffer, body.byteOffset, headerBytes ?? body.length);
  const head = encode(parseJson(json.toString()).value);
  if (headerBytes === undefined) return { body: head, headerBytes: undefined };
  const joined = Buffer.concat([head, body.subarray(headerBytes)]);
  return { body: joined, headerBytes: head.length };
}

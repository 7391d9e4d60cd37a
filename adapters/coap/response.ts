import { type Block, writeBlock } from './block.ts';
import type { RawOption } from './options.ts';
import { Code, Format, Option } from './protocol.ts';
import { writeUint } from './uint.ts';

/** What a resource answers. */
export interface Response {
  readonly code: number;
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  /** One to eight bytes. */
  readonly etag?: Buffer;
  /** Seconds; 60 when absent (RFC 7252 §5.10.5). */
  readonly maxAge?: number;
  readonly locationPath?: readonly string[];
  readonly locationQuery?: readonly string[];
  readonly size1?: number;
  /** Name of the state behind a 2.05, when it may be observed. */
  readonly observable?: string;
}

/** Options that the layers below the resource add. */
export interface TransferOptions {
  readonly observe?: number | undefined;
  readonly block1?: Block | undefined;
  readonly block2?: Block | undefined;
  readonly size2?: number | undefined;
}

const NO_OPTIONS: readonly RawOption[] = [];
const NO_TRANSFER: TransferOptions = {};

/** The options of a response in ascending order. */
export function responseOptions(
  response: Response,
  transfer: TransferOptions = NO_TRANSFER,
): readonly RawOption[] {
  const options: RawOption[] = [];
  const add = (number: number, value: Buffer) => options.push({ number, value });
  if (response.etag !== undefined) add(Option.ETAG, response.etag);
  if (transfer.observe !== undefined) add(Option.OBSERVE, writeUint(transfer.observe));
  for (const part of response.locationPath ?? []) add(Option.LOCATION_PATH, Buffer.from(part));
  if (response.contentFormat !== undefined) add(Option.CONTENT_FORMAT, writeUint(response.contentFormat));
  if (response.maxAge !== undefined) add(Option.MAX_AGE, writeUint(response.maxAge));
  for (const part of response.locationQuery ?? []) add(Option.LOCATION_QUERY, Buffer.from(part));
  if (transfer.block2 !== undefined) add(Option.BLOCK2, writeBlock(transfer.block2));
  if (transfer.block1 !== undefined) add(Option.BLOCK1, writeBlock(transfer.block1));
  if (transfer.size2 !== undefined) add(Option.SIZE2, writeUint(transfer.size2));
  if (response.size1 !== undefined) add(Option.SIZE1, writeUint(response.size1));
  return options.length === 0 ? NO_OPTIONS : options;
}

/** An error with a diagnostic payload (RFC 7252 §5.5.2): UTF-8, no Content-Format, short enough for one datagram. */
export function failure(code: number, diagnostic: string): Response {
  const text = diagnostic.length > 400 ? `${diagnostic.slice(0, 399)}…` : diagnostic;
  return { code, payload: Buffer.from(text) };
}

/** 5.03 with the seconds after which to try again. */
export function unavailable(diagnostic: string, maxAge = 1): Response {
  return { ...failure(Code.SERVICE_UNAVAILABLE, diagnostic), maxAge };
}

export const CHANGED: Response = Object.freeze({ code: Code.CHANGED });

export function jsonContent(text: string, more: Partial<Response> = {}): Response {
  return { code: Code.CONTENT, payload: Buffer.from(text), contentFormat: Format.JSON, ...more };
}

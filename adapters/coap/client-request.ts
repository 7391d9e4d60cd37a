import { type Block, writeBlock } from './block.ts';
import type { Message } from './message.ts';
import type { OptionSet, RawOption } from './options.ts';
import { Option } from './protocol.ts';
import { writeUint } from './uint.ts';

export interface ClientRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `s/stream/device`, or the segments where one may hold a slash. */
  readonly path: string | readonly string[];
  readonly query?: readonly string[];
  readonly payload?: Uint8Array;
  readonly contentFormat?: number;
  readonly accept?: number;
  readonly etag?: Buffer;
  /** Default true. */
  readonly confirmable?: boolean;
}

export interface ClientResponse {
  readonly code: number;
  readonly payload: Buffer;
  readonly options: OptionSet;
}

export interface MessageParts {
  readonly observe?: number;
  readonly block1?: Block;
  readonly block2?: Block;
  readonly size1?: number;
  readonly requestTag?: Buffer;
}

/** The options of one message of a request, in ascending order. */
export function toMessage(request: ClientRequest, parts: MessageParts = {}): RawOption[] {
  const options: RawOption[] = [];
  const add = (number: number, value: Buffer) => options.push({ number, value });
  if (request.etag !== undefined) add(Option.ETAG, request.etag);
  if (parts.observe !== undefined) add(Option.OBSERVE, writeUint(parts.observe));
  const { path } = request;
  const segments = typeof path === 'string' ? path.split('/').filter((s) => s !== '') : path;
  for (const segment of segments) add(Option.URI_PATH, Buffer.from(segment));
  if (request.contentFormat !== undefined) add(Option.CONTENT_FORMAT, writeUint(request.contentFormat));
  for (const part of request.query ?? []) add(Option.URI_QUERY, Buffer.from(part));
  if (request.accept !== undefined) add(Option.ACCEPT, writeUint(request.accept));
  if (parts.block2 !== undefined) add(Option.BLOCK2, writeBlock(parts.block2));
  if (parts.block1 !== undefined) add(Option.BLOCK1, writeBlock(parts.block1));
  if (parts.size1 !== undefined) add(Option.SIZE1, writeUint(parts.size1));
  if (parts.requestTag !== undefined) add(Option.REQUEST_TAG, parts.requestTag);
  return options;
}

export function toResponse(message: Message, payload: Buffer = message.payload): ClientResponse {
  return { code: message.code, payload, options: message.options };
}

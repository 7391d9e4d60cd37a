import { isUtf8 } from 'node:buffer';
import { type Block, readBlock } from './block.ts';
import { Option } from './protocol.ts';
import { readUint } from './uint.ts';

export interface RawOption {
  readonly number: number;
  readonly value: Buffer;
}

const NONE: readonly never[] = [];

/** [shortest, longest value, repeatable] of the options we understand (RFC 7252 §5.10, RFC 7959 §2.1, RFC 9175). */
const KNOWN = new Map<number, readonly [min: number, max: number, repeatable: boolean]>([
  [Option.IF_MATCH, [0, 8, true]],
  [Option.URI_HOST, [1, 255, false]],
  [Option.ETAG, [1, 8, true]],
  [Option.IF_NONE_MATCH, [0, 0, false]],
  [Option.OBSERVE, [0, 3, false]],
  [Option.URI_PORT, [0, 2, false]],
  [Option.LOCATION_PATH, [0, 255, true]],
  [Option.URI_PATH, [0, 255, true]],
  [Option.CONTENT_FORMAT, [0, 2, false]],
  [Option.MAX_AGE, [0, 4, false]],
  [Option.URI_QUERY, [0, 255, true]],
  [Option.ACCEPT, [0, 2, false]],
  [Option.LOCATION_QUERY, [0, 255, true]],
  [Option.BLOCK2, [0, 3, false]],
  [Option.BLOCK1, [0, 3, false]],
  [Option.SIZE2, [0, 4, false]],
  [Option.PROXY_URI, [1, 1034, false]],
  [Option.PROXY_SCHEME, [1, 255, false]],
  [Option.SIZE1, [0, 4, false]],
  [Option.NO_RESPONSE, [0, 1, false]],
  [Option.REQUEST_TAG, [0, 8, true]],
]);

/**
 * The options of one message, decoded. A value of the wrong length, a second copy of an option that may occur once
 * and text that is not UTF-8 count as "unrecognised" (RFC 7252 §5.4.3, §5.4.5): critical ones set `bad`, elective
 * ones are passed over.
 */
export class OptionSet {
  readonly raw: readonly RawOption[];
  /** Number of the first critical option that cannot be honoured; 0 when there is none. */
  readonly bad: number = 0;
  /** Uri-Path joined with `/`; null when a segment itself holds a slash, which no resource of ours has. */
  readonly path: string | null = '';
  readonly pathSegments: readonly string[] = NONE;
  readonly query: readonly string[] = NONE;
  readonly locationPath: readonly string[] = NONE;
  readonly ifMatch: readonly Buffer[] = NONE;
  readonly ifNoneMatch: boolean = false;
  readonly etags: readonly Buffer[] = NONE;
  readonly observe: number | undefined;
  readonly contentFormat: number | undefined;
  readonly maxAge: number | undefined;
  readonly accept: number | undefined;
  readonly block1: Block | undefined;
  readonly block2: Block | undefined;
  readonly size1: number | undefined;
  readonly size2: number | undefined;
  readonly noResponse: number | undefined;
  readonly proxy: boolean = false;
  /** Room for what the resources have found out about these options, which are shared by equal messages. */
  memo: unknown;
  #transferKey: string | undefined;

  constructor(raw: readonly RawOption[]) {
    this.raw = raw;
    const segments: string[] = [];
    const query: string[] = [];
    const location: string[] = [];
    const ifMatch: Buffer[] = [];
    const etags: Buffer[] = [];
    let previous = -1;
    for (const { number, value } of raw) {
      const rule = KNOWN.get(number);
      const sound =
        rule !== undefined &&
        value.length >= rule[0] &&
        value.length <= rule[1] &&
        (rule[2] || number !== previous);
      previous = number;
      if (!sound || !this.#take(number, value, segments, query, location, ifMatch, etags)) {
        if (number % 2 === 1 && this.bad === 0) this.bad = number;
      }
    }
    if (segments.length > 0) {
      this.pathSegments = segments;
      this.path = segments.some((s) => s.includes('/')) ? null : segments.join('/');
    }
    if (query.length > 0) this.query = query;
    if (location.length > 0) this.locationPath = location;
    if (ifMatch.length > 0) this.ifMatch = ifMatch;
    if (etags.length > 0) this.etags = etags;
  }

  /** What tells block transfers of one peer and method apart: path, query and Request-Tags, byte for byte. */
  get transferKey(): string {
    if (this.#transferKey === undefined) this.#transferKey = transferKey(this.raw);
    return this.#transferKey;
  }

  #take(
    number: number,
    value: Buffer,
    segments: string[],
    query: string[],
    location: string[],
    ifMatch: Buffer[],
    etags: Buffer[],
  ): boolean {
    const self = this as { -readonly [K in keyof OptionSet]: OptionSet[K] };
    switch (number) {
      case Option.URI_PATH: {
        if (!isUtf8(value)) return false;
        const segment = value.toString();
        if (segment === '.' || segment === '..') return false;
        segments.push(segment);
        return true;
      }
      case Option.URI_QUERY:
        if (!isUtf8(value)) return false;
        query.push(value.toString());
        return true;
      case Option.LOCATION_PATH:
        location.push(value.toString());
        return true;
      case Option.IF_MATCH:
        ifMatch.push(value);
        return true;
      case Option.ETAG:
        etags.push(value);
        return true;
      case Option.BLOCK1:
        self.block1 = readBlock(value);
        return true;
      case Option.BLOCK2:
        self.block2 = readBlock(value);
        return true;
      case Option.URI_HOST:
        return isUtf8(value);
      case Option.IF_NONE_MATCH:
        self.ifNoneMatch = true;
        return true;
      case Option.OBSERVE:
        self.observe = readUint(value);
        return true;
      case Option.CONTENT_FORMAT:
        self.contentFormat = readUint(value);
        return true;
      case Option.MAX_AGE:
        self.maxAge = readUint(value);
        return true;
      case Option.ACCEPT:
        self.accept = readUint(value);
        return true;
      case Option.SIZE1:
        self.size1 = readUint(value);
        return true;
      case Option.SIZE2:
        self.size2 = readUint(value);
        return true;
      case Option.NO_RESPONSE:
        self.noResponse = readUint(value);
        return true;
      case Option.PROXY_URI:
      case Option.PROXY_SCHEME:
        self.proxy = true;
        return true;
      default:
        return true;
    }
  }
}

function transferKey(raw: readonly RawOption[]): string {
  let key = '';
  for (const { number, value } of raw) {
    if (number === Option.URI_PATH || number === Option.URI_QUERY || number === Option.REQUEST_TAG) {
      key += `${number}:${value.length}:${value.toString('latin1')};`;
    }
  }
  return key;
}

export const NO_OPTIONS = new OptionSet([]);

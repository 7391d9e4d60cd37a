import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ByteReader } from '../bytes.ts';
import { readSegment } from '../segment-reader.ts';
import {
  HEAD_FIXED_BYTES,
  RECORD_FIXED_BYTES,
  SEGMENT_VERSION,
  type SegmentHead,
} from '../segment-writer.ts';
import { PAGE_BYTES } from './database.ts';

/**
 * Finds segments in the pages of a database file without its trees: a damaged schema, inner page, cell or overflow
 * pointer then costs nothing. Pages and pointer map: sqlite.org/fileformat2.html §1.6 to §1.8; the pointer map of an
 * auto-vacuum database names the predecessor of every overflow page, so each chain is known twice.
 */

const LEAF_TABLE = 0x0d;
const OTHER_TREE_PAGES = new Set([0x02, 0x05, 0x0a]);
const LEAF_HEADER_BYTES = 8;
const FIRST_PAGE_HEADER_BYTES = 100;
const MOST_LOCAL = PAGE_BYTES - 35;
const LEAST_LOCAL = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
const CHAIN_BYTES = PAGE_BYTES - 4;
const MAP_ENTRIES = Math.floor(PAGE_BYTES / 5);
const FIRST_OVERFLOW = 3;
const FURTHER_OVERFLOW = 4;
/** No group is larger than its limit and one record. */
const MOST_BYTES = 256 * 1024 * 1024;

export interface CarvedSegment {
  readonly head: SegmentHead;
  readonly body: Uint8Array;
}

/** All segments that can be put together, also such as were deleted and not yet overwritten; may repeat. */
export function* carveSegments(file: string): Iterable<CarvedSegment> {
  const fd = openSync(file, 'r');
  try {
    const pages = new Pages(fd);
    for (let number = 1; number <= pages.count; number++) {
      const page = pages.read(number);
      if (page === undefined || pages.isMap(number)) continue;
      const type = page[number === 1 ? FIRST_PAGE_HEADER_BYTES : 0]!;
      if (OTHER_TREE_PAGES.has(type)) continue;
      yield* new Leaf(pages, number, page).segments();
    }
  } finally {
    closeSync(fd);
  }
}

class Pages {
  readonly count: number;
  readonly #fd: number;
  /** Overflow pages by what comes before them, and what comes before each. */
  readonly #after = new Map<number, number[]>();
  readonly #before = new Map<number, number>();

  constructor(fd: number) {
    this.#fd = fd;
    this.count = Math.ceil(fstatSync(fd).size / PAGE_BYTES);
    for (let number = 2; number <= this.count; number += MAP_ENTRIES + 1) this.#readMap(number);
  }

  isMap(number: number): boolean {
    return number >= 2 && (number - 2) % (MAP_ENTRIES + 1) === 0;
  }

  read(number: number): Uint8Array | undefined {
    if (number < 1 || number > this.count) return undefined;
    const page = new Uint8Array(PAGE_BYTES);
    readSync(this.#fd, page, 0, PAGE_BYTES, (number - 1) * PAGE_BYTES);
    return page;
  }

  /** Overflow pages that begin behind a leaf page. */
  beginsOf(leaf: number): readonly number[] {
    return this.#after.get(leaf) ?? [];
  }

  /** The page after `number` in a chain: what it says itself, unless the map knows better. */
  next(number: number, said: number): number {
    if (this.#before.get(said) === number) return said;
    return this.#after.get(number)?.[0] ?? said;
  }

  /** Up to `bytes` of a chain that begins at a page. */
  chain(first: number, bytes: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let number = first;
    for (let left = bytes; left > 0 && number !== 0; left -= CHAIN_BYTES) {
      const page = this.read(number);
      if (page === undefined) break;
      parts.push(page.subarray(4, 4 + Math.min(left, CHAIN_BYTES)));
      number = left > CHAIN_BYTES ? this.next(number, viewOf(page).getUint32(0)) : 0;
    }
    return parts;
  }

  #readMap(number: number): void {
    const page = this.read(number)!;
    const view = viewOf(page);
    for (let entry = 0; entry < MAP_ENTRIES; entry++) {
      const type = page[entry * 5];
      if (type !== FIRST_OVERFLOW && type !== FURTHER_OVERFLOW) continue;
      const child = number + 1 + entry;
      const parent = view.getUint32(entry * 5 + 1);
      this.#before.set(child, parent);
      const siblings = this.#after.get(parent);
      if (siblings === undefined) this.#after.set(parent, [child]);
      else siblings.push(child);
    }
  }
}

class Leaf {
  readonly #pages: Pages;
  readonly #number: number;
  readonly #page: Uint8Array;
  readonly #view: DataView;
  /** Where bodies that were found begin. */
  readonly #found = new Set<number>();

  constructor(pages: Pages, number: number, page: Uint8Array) {
    this.#pages = pages;
    this.#number = number;
    this.#page = page;
    this.#view = viewOf(page);
  }

  *segments(): Iterable<CarvedSegment> {
    if (this.#page[0] === LEAF_TABLE) {
      const cells = Math.min(this.#view.getUint16(3), (PAGE_BYTES - LEAF_HEADER_BYTES) / 2);
      for (let index = 0; index < cells; index++) {
        const segment = this.#cell(this.#view.getUint16(LEAF_HEADER_BYTES + 2 * index));
        if (segment !== undefined) yield segment;
      }
    }
    for (let at = 0; at + HEAD_FIXED_BYTES <= PAGE_BYTES; at++) {
      if (this.#found.has(at) || !this.#looksLikeHead(at)) continue;
      const segment = this.#bare(at);
      if (segment !== undefined) yield segment;
    }
  }

  /** A row of a segment table: null, three numbers, the body. */
  #cell(at: number): CarvedSegment | undefined {
    try {
      const reader = new ByteReader(this.#page, at);
      const payload = bigEndianVarint(reader);
      bigEndianVarint(reader);
      const start = reader.at;
      const headerBytes = bigEndianVarint(reader);
      const types = Array.from({ length: 5 }, () => bigEndianVarint(reader));
      const bodyAt = headerBytes + types.slice(0, 4).reduce((sum, type) => sum + sizeOf(type), 0);
      const bodyBytes = sizeOf(types[4]!);
      if (reader.at - start !== headerBytes || bodyAt + bodyBytes !== payload || payload > MOST_BYTES)
        return undefined;
      const local = localBytes(payload);
      if (bodyAt >= local || start + local > PAGE_BYTES) return undefined;
      const parts = [this.#page.subarray(start + bodyAt, start + local)];
      if (payload > local) {
        const said = this.#view.getUint32(start + local);
        const begins = this.#pages.beginsOf(this.#number);
        // The map knows where chains of this page begin; with only one, a bad pointer is known for what it is.
        const first = begins.includes(said) || begins.length !== 1 ? said : begins[0]!;
        parts.push(...this.#pages.chain(first, payload - local));
      }
      return this.#accept(start + bodyAt, Buffer.concat(parts));
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** A body whose row cannot be trusted: it says itself where it ends. */
  #bare(at: number): CarvedSegment | undefined {
    const begins = this.#pages.beginsOf(this.#number);
    for (let end = at + HEAD_FIXED_BYTES; end + 4 <= PAGE_BYTES; end++) {
      const first = this.#view.getUint32(end);
      if (!begins.includes(first)) continue;
      const body = selfDelimited(
        Buffer.concat([this.#page.subarray(at, end), ...this.#pages.chain(first, MOST_BYTES)]),
      );
      const segment = body === undefined ? undefined : this.#accept(at, body);
      if (segment !== undefined) return segment;
    }
    const body = selfDelimited(this.#page.subarray(at));
    return body === undefined ? undefined : this.#accept(at, body);
  }

  #accept(at: number, body: Uint8Array): CarvedSegment | undefined {
    const content = readSegment(body);
    if (content === null) return undefined;
    this.#found.add(at);
    return { head: content.head, body: Uint8Array.from(body) };
  }

  #looksLikeHead(at: number): boolean {
    const { byteLength } = this.#view;
    if (this.#page[at + 8] !== SEGMENT_VERSION || at + HEAD_FIXED_BYTES > byteLength) return false;
    const length = this.#view.getUint32(at + 4, true);
    const count = this.#view.getUint32(at + 21, true);
    const firstSeq = this.#view.getFloat64(at + 13, true);
    return length >= HEAD_FIXED_BYTES && length < MOST_BYTES && count > 0 && Number.isSafeInteger(firstSeq);
  }
}

/** Cuts a body off where its records and its foot end; undefined when they cannot be followed. */
function selfDelimited(bytes: Uint8Array): Uint8Array | undefined {
  const view = viewOf(bytes);
  const headBytes = view.getUint32(4, true);
  const count = view.getUint32(21, true);
  let at = headBytes;
  for (let left = count; left > 0; left--) {
    if (at + RECORD_FIXED_BYTES > bytes.length) return undefined;
    const length = view.getUint32(at + 4, true);
    if (length < RECORD_FIXED_BYTES) return undefined;
    at += length;
  }
  if (count > 1) at += headBytes + 4;
  return at <= bytes.length ? bytes.subarray(0, at) : undefined;
}

/** How much of a payload is in the leaf page itself (fileformat2 §1.6). */
function localBytes(payload: number): number {
  if (payload <= MOST_LOCAL) return payload;
  const local = LEAST_LOCAL + ((payload - LEAST_LOCAL) % CHAIN_BYTES);
  return local <= MOST_LOCAL ? local : LEAST_LOCAL;
}

const NUMBER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];

/** Bytes of a value by its serial type (fileformat2 §2.1). */
function sizeOf(type: number): number {
  return type < 12 ? (NUMBER_BYTES[type] ?? 0) : (type - (type % 2) - 12) / 2;
}

function bigEndianVarint(reader: ByteReader): number {
  let value = 0;
  for (let bytes = 0; bytes < 8; bytes++) {
    const byte = reader.u8();
    value = value * 128 + (byte & 127);
    if (byte < 128) return value;
  }
  return value * 256 + reader.u8();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

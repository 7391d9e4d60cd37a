import type { JournalRecord } from './types.ts';

/** What a record held in memory costs beside its encoded size: the object, its value, its place in an array. */
export const RECORD_OVERHEAD_BYTES = 200;

interface Chunk {
  readonly stream: StreamTail;
  readonly records: readonly JournalRecord<unknown>[];
  readonly firstSeq: number;
  readonly bytes: number;
}

/** Recently committed records of all streams, bounded in bytes over all of them; the oldest chunk goes first. */
export class TailCache {
  readonly #maxBytes: number;
  #bytes = 0;
  /** In order of commit; entries before `#first` are gone, and let go of at once: a chunk may hold megabytes. */
  #chunks: (Chunk | undefined)[] = [];
  #first = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(stream: StreamTail, records: readonly JournalRecord<unknown>[], encodedBytes: number): void {
    const bytes = encodedBytes + records.length * RECORD_OVERHEAD_BYTES;
    const chunk = { stream, records, firstSeq: records[0]!.seq, bytes };
    this.#chunks.push(chunk);
    stream.push(chunk);
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes && this.#first < this.#chunks.length) this.#dropOldest();
  }

  clear(): void {
    while (this.#first < this.#chunks.length) this.#dropOldest();
  }

  #dropOldest(): void {
    const chunk = this.#chunks[this.#first]!;
    this.#chunks[this.#first++] = undefined;
    this.#bytes -= chunk.bytes;
    chunk.stream.shift();
    if (this.#first > 1024 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** The part of the cache that belongs to one stream: a run of chunks without gaps that ends at its head. */
export class StreamTail {
  #chunks: (Chunk | undefined)[] = [];
  #first = 0;

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
  }

  /** Chunks leave in the order in which they came, over all streams and so in each. */
  shift(): void {
    this.#chunks[this.#first++] = undefined;
    if (this.#first === this.#chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    } else if (this.#first > 256 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Records with seq > `after`; undefined when the first of them is no longer here. */
  read(after: number, limit: number): JournalRecord<unknown>[] | undefined {
    const oldest = this.#chunks[this.#first];
    if (oldest === undefined || oldest.firstSeq > after + 1) return undefined;
    let low = this.#first;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]!.firstSeq <= after + 1) low = middle;
      else high = middle - 1;
    }
    const first = this.#chunks[low]!;
    const from = after + 1 - first.firstSeq;
    const found = first.records.slice(from, from + limit);
    for (let index = low + 1; index < this.#chunks.length && found.length < limit; index++) {
      const { records } = this.#chunks[index]!;
      const room = limit - found.length;
      if (records.length <= room) for (const record of records) found.push(record);
      else for (let at = 0; at < room; at++) found.push(records[at]!);
    }
    return found;
  }
}

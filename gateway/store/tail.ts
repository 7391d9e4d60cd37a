import type { JournalRecord } from './types.ts';

/** What a record held in memory costs beside its encoded size: the object, its value, its place in an array. */
const RECORD_OVERHEAD_BYTES = 200;
/** Places in the line of chunks that are gone, before they are cleared away. */
const MOST_GONE = 256;
const NONE: readonly JournalRecord<unknown>[] = [];

interface Chunk {
  readonly stream: StreamTail;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  /** Empty once it is gone: its place in the line may stay a little longer, the records do not. */
  records: readonly JournalRecord<unknown>[];
}

/**
 * Committed records of all streams that some consumer has still to pass, bounded in bytes over all of them: beyond the
 * bound the oldest go first. A record that everybody has passed is let go of at once, so that it dies young.
 */
export class TailCache {
  readonly #maxBytes: number;
  #bytes = 0;
  /** In order of commit; some may be gone already. */
  #line: Chunk[] = [];
  /** How many of the line are gone. */
  #gone = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(stream: StreamTail, records: readonly JournalRecord<unknown>[], encodedBytes: number): void {
    const bytes = encodedBytes + records.length * RECORD_OVERHEAD_BYTES;
    const firstSeq = records[0]!.seq;
    const chunk = { stream, records, firstSeq, lastSeq: firstSeq + records.length - 1, bytes };
    this.#line.push(chunk);
    stream.push(chunk);
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
  }

  /** Every consumer of the stream has passed `seq`. The newest chunk stays. */
  passed(stream: StreamTail, seq: number): void {
    for (;;) {
      const { oldest } = stream;
      if (oldest === undefined || oldest === stream.newest || oldest.lastSeq > seq) break;
      this.#release(oldest);
      this.#gone++;
    }
    if (this.#gone > MOST_GONE && this.#gone * 2 > this.#line.length) {
      this.#line = this.#line.filter((chunk) => chunk.records !== NONE);
      this.#gone = 0;
    }
  }

  clear(): void {
    for (const chunk of this.#line) if (chunk.records !== NONE) this.#release(chunk);
    this.#line = [];
    this.#gone = 0;
  }

  #makeRoom(): void {
    let first = 0;
    for (; this.#bytes > this.#maxBytes && first < this.#line.length; first++) {
      const chunk = this.#line[first]!;
      if (chunk.records === NONE) this.#gone--;
      else this.#release(chunk);
    }
    this.#line.splice(0, first);
  }

  /** Chunks of a stream leave in the order in which they came. */
  #release(chunk: Chunk): void {
    chunk.records = NONE;
    this.#bytes -= chunk.bytes;
    chunk.stream.shift();
  }
}

/** The part of the cache that belongs to one stream: a run of chunks without gaps that ends at its head. */
export class StreamTail {
  #chunks: (Chunk | undefined)[] = [];
  #first = 0;

  get oldest(): Chunk | undefined {
    return this.#chunks[this.#first];
  }

  get newest(): Chunk | undefined {
    return this.#chunks[this.#chunks.length - 1];
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
  }

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

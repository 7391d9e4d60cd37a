import type { JournalRecord, JournalStream } from '../store/types.ts';
import type { Reading } from '../stream/window.ts';
import type { RecordSource, TakeRecord } from './source.ts';

/** Makes readings of a stream's records; undefined for a record that is none. */
export type ToReading<T> = (record: JournalRecord<T>) => Reading | undefined;

/** Arrival of a stream's newest record, 0 when it has none. */
async function lastArrival<T>(stream: JournalStream<T>): Promise<number> {
  const records = await stream.read(stream.head - 1, 1);
  return records.at(-1)?.arrival ?? 0;
}

/** One stream as a source. */
export class StreamSource<T> implements RecordSource {
  readonly streams: readonly string[];
  readonly position = [0];
  readonly #stream: JournalStream<T>;
  readonly #convert: ToReading<T> | undefined;
  #settleAt = 0;
  #until = Number.POSITIVE_INFINITY;

  /** @param convert absent when the records are readings already */
  constructor(stream: JournalStream<T>, convert?: ToReading<T>) {
    this.streams = [stream.name];
    this.#stream = stream;
    this.#convert = convert;
  }

  heads(): number[] {
    return [this.#stream.head];
  }

  async lastArrival(): Promise<number> {
    return lastArrival(this.#stream);
  }

  seek(position: readonly number[], until: readonly number[] | null): void {
    this.position[0] = position[0]!;
    this.#until = until === null ? Number.POSITIVE_INFINITY : until[0]!;
  }

  pull(limit: number, take: TakeRecord): number | Promise<number> {
    const after = this.position[0]!;
    const head = this.#stream.head;
    if (after >= this.#until || after >= head) return 0;
    const records = this.#stream.read(after, limit);
    return Array.isArray(records)
      ? this.#hand(records, head, take)
      : records.then((late) => this.#hand(late, head, take));
  }

  barrier(): void {
    this.#settleAt = this.#stream.head;
  }

  get settled(): boolean {
    return this.position[0]! >= this.#settleAt;
  }

  nextBarrier(): number {
    return Number.POSITIVE_INFINITY;
  }

  onMore(listener: () => void): () => void {
    return this.#stream.onCommit(listener);
  }

  #hand(records: readonly JournalRecord<T>[], head: number, take: TakeRecord): number {
    const convert = this.#convert;
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!;
      if (record.seq > this.#until) {
        this.position[0] = this.#until;
        return i;
      }
      this.position[0] = record.seq;
      const reading = convert === undefined ? (record as unknown as Reading) : convert(record);
      if (reading !== undefined) take(0, reading);
    }
    // Nothing readable is left of what the head promises: damaged or expired records are the store's to count.
    if (records.length === 0) this.position[0] = Math.min(head, this.#until);
    return records.length;
  }
}

import type { GrowableBytes } from './bytes.ts';
import type { SegmentPart, TransactionPart } from './protocol.ts';
import { type FormingSegment, markOf, type Stream } from './stream.ts';
import type { CursorPosition, NewRecord, StateRow, Transaction } from './types.ts';

/** A group is closed when it has this much; the next one forms behind it. */
const MAX_GROUP_RECORDS = 4096;
const MAX_GROUP_BYTES = 1024 * 1024;

type Done = (error: Error | null) => void;

/** A transaction that waits for its commit. Beside the caller's part it may carry the store's own chores. */
export interface PendingTransaction {
  readonly transaction: Transaction;
  readonly register: readonly CursorPosition[];
  readonly keep: ReadonlySet<string> | undefined;
  /** Whether it waits while its streams or the disk are full; else it is refused, as an append is. */
  readonly patient: boolean;
  readonly bytes: number;
  readonly resolve: (results: unknown[]) => void;
  readonly reject: (error: Error) => void;
}

/** Appends and transactions on their way into one commit. Keeps the calls, so that they can be numbered anew. */
export class Group {
  readonly transactions: PendingTransaction[] = [];
  records = 0;
  bytes = 0;
  /** How often the writer thread died while it had this. */
  losses = 0;
  readonly #segments = new Map<Stream<unknown>, FormingSegment>();
  /** Of each append: its stream, the segment's records with the place of its first one, its caller. */
  readonly #streams: Stream<unknown>[] = [];
  readonly #records: (readonly NewRecord<unknown>[])[] = [];
  readonly #from: number[] = [];
  readonly #counts: number[] = [];
  readonly #dones: Done[] = [];

  get empty(): boolean {
    return this.#dones.length === 0 && this.transactions.length === 0;
  }

  /** Whether so many more records may join. A group that is empty takes any number. */
  takes(records: number): boolean {
    if (this.records === 0 && this.bytes === 0) return true;
    return this.records + records <= MAX_GROUP_RECORDS && this.bytes < MAX_GROUP_BYTES;
  }

  /** @throws GatewayError when the records cannot be taken, with the group as it was */
  append(stream: Stream<unknown>, records: readonly NewRecord<unknown>[], done: Done): void {
    const segment = this.#encode(stream, records);
    this.#streams.push(stream);
    // What the caller handed over may go: the records of the segment hold the same.
    this.#records.push(segment.records);
    this.#from.push(segment.records.length - records.length);
    this.#counts.push(records.length);
    this.#dones.push(done);
  }

  /** @throws GatewayError when its records cannot be taken, with the group as it was */
  commit(pending: PendingTransaction, streamOf: (name: string) => Stream<unknown>): void {
    const undo: (() => void)[] = [];
    try {
      for (const { stream: name, records } of pending.transaction.appends ?? []) {
        const stream = streamOf(name);
        const segment = this.#segmentOf(stream);
        const mark = markOf(segment);
        this.#encode(stream, records);
        undo.push(() => stream.undo(segment, mark));
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    this.transactions.push(pending);
    this.bytes += pending.bytes;
  }

  segments(): Iterable<FormingSegment> {
    return this.#segments.values();
  }

  /** Lays all segments out in one buffer. */
  seal(memory: GrowableBytes): SegmentPart[] {
    const parts: SegmentPart[] = [];
    for (const segment of this.#segments.values()) {
      if (segment.records.length > 0) parts.push(segment.stream.finish(segment, memory));
    }
    return parts;
  }

  transactionParts(): TransactionPart[] {
    return this.transactions.map(({ transaction, register, keep }) => ({
      appends: (transaction.appends ?? []).some((append) => append.records.length > 0),
      cursors: transaction.cursors ?? [],
      states: (transaction.states ?? []).map(compact),
      ops: transaction.ops ?? [],
      register,
      ...(keep === undefined ? {} : { keep }),
    }));
  }

  /** Gives the numbers of its records back, so that what is left of it can be taken anew. */
  abandon(): void {
    for (const segment of this.#segments.values()) segment.stream.abandon(segment);
    this.#segments.clear();
  }

  eachCaller(visit: (done: Done) => void): void {
    for (const done of this.#dones) visit(done);
  }

  eachAppend(
    visit: (stream: Stream<unknown>, records: readonly NewRecord<unknown>[], done: Done) => void,
  ): void {
    for (let index = 0; index < this.#dones.length; index++) {
      const from = this.#from[index]!;
      const records = this.#records[index]!.slice(from, from + this.#counts[index]!);
      visit(this.#streams[index]!, records, this.#dones[index]!);
    }
  }

  #encode(stream: Stream<unknown>, records: readonly NewRecord<unknown>[]): FormingSegment {
    const segment = this.#segmentOf(stream);
    const before = segment.out.length;
    stream.encode(segment, records);
    this.records += records.length;
    this.bytes += segment.out.length - before;
    return segment;
  }

  #segmentOf(stream: Stream<unknown>): FormingSegment {
    let segment = this.#segments.get(stream);
    if (segment === undefined) {
      segment = stream.begin();
      this.#segments.set(stream, segment);
    }
    return segment;
  }
}

/** Size of a transaction beside its records, roughly. */
export function sizeOf(transaction: Transaction): number {
  let bytes = 64 * ((transaction.cursors?.length ?? 0) + (transaction.ops?.length ?? 0));
  for (const state of transaction.states ?? []) bytes += 64 + (state.bytes?.length ?? 0);
  return bytes;
}

/** A view is cloned with all the memory it looks into: cut it out first. */
function compact(row: StateRow): StateRow {
  const { bytes } = row;
  if (bytes === null || bytes.byteLength === bytes.buffer.byteLength) return row;
  return { ...row, bytes: bytes.slice() };
}

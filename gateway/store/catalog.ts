import type { Group } from './group.ts';
import type { GroupReply, LoadedState, LoadedStream, StreamFigures, StreamTerms } from './protocol.ts';
import { readerKey } from './readers.ts';
import type { Stream } from './stream.ts';
import type { CursorPosition } from './types.ts';

type Cursor = CursorPosition & { readonly expired: number };

/** What the main thread knows of streams and cursors: those it opened, and those that are only in the file. */
export class Catalog {
  readonly #streams = new Map<string, Stream<unknown>>();
  readonly #byId = new Map<number, Stream<unknown>>();
  /** Streams in the file that nobody has opened yet. */
  readonly #dormant = new Map<string, LoadedStream>();
  /** By stream, then by consumer. */
  readonly #cursors = new Map<string, Map<string, Cursor>>();
  #nextId = 1;
  #base = 0;

  /** Takes over what the database holds; the open streams are joined with it. */
  load(state: LoadedState): void {
    this.#byId.clear();
    this.#dormant.clear();
    this.#cursors.clear();
    this.#nextId = 1;
    this.#base = state.base;
    for (const loaded of state.streams) {
      this.#dormant.set(loaded.name, loaded);
      this.#nextId = Math.max(this.#nextId, loaded.id + 1);
    }
    for (const cursor of state.cursors) this.#put(cursor);
    for (const stream of this.#streams.values()) this.adopt(stream);
  }

  /** Joins a stream that was opened with what the file holds of it. */
  adopt(stream: Stream<unknown>): void {
    const loaded = this.#dormant.get(stream.name);
    this.#dormant.delete(stream.name);
    stream.id = loaded?.id ?? this.#nextId++;
    stream.load(loaded ?? emptyStream(stream.id, stream.name, this.#base));
    this.#byId.set(stream.id, stream);
  }

  add(stream: Stream<unknown>): void {
    this.#streams.set(stream.name, stream);
  }

  get(name: string): Stream<unknown> | undefined {
    return this.#streams.get(name);
  }

  open(): Iterable<Stream<unknown>> {
    return this.#streams.values();
  }

  names(): string[] {
    return [...this.#streams.keys(), ...this.#dormant.keys()];
  }

  terms(): StreamTerms[] {
    return [...this.#streams.values()].map((stream) => stream.terms);
  }

  /** Takes over new figures. Returns the stream, and whether it was full and is no more. */
  update(figures: StreamFigures): { stream: Stream<unknown>; freed: boolean } | undefined {
    const stream = this.#byId.get(figures.id);
    if (stream === undefined) return undefined;
    const freed = stream.full && !figures.full;
    stream.setFigures(figures);
    return { stream, freed };
  }

  cursors(): Cursor[] {
    return [...this.#cursors.values()].flatMap((readers) => [...readers.values()]);
  }

  cursor(consumer: string, stream: string): Cursor | undefined {
    return this.#cursors.get(stream)?.get(consumer);
  }

  addCursor(position: CursorPosition): void {
    if (this.cursor(position.consumer, position.stream) === undefined) this.#put({ ...position, expired: 0 });
  }

  addExpired(consumer: string, stream: string, expired: number): void {
    const cursor = this.cursor(consumer, stream);
    if (cursor !== undefined) this.#put({ ...cursor, expired: cursor.expired + expired });
  }

  retire(keep: ReadonlySet<string>): void {
    for (const readers of this.#cursors.values()) {
      for (const [consumer, cursor] of readers) if (!keep.has(readerKey(cursor))) readers.delete(consumer);
    }
  }

  /**
   * The transactions of a group were committed, save those whose answer says otherwise. `passed` is told of the streams
   * in which a cursor moved, and up to where all have.
   */
  moveCursors(group: Group, reply: GroupReply, passed: (stream: Stream<unknown>, seq: number) => void): void {
    const moved = new Set<string>();
    group.transactions.forEach(({ transaction, register }, index) => {
      if (reply.answers[index]?.ok !== true) return;
      for (const position of register) this.addCursor(position);
      for (const { consumer, stream, seq } of transaction.cursors ?? []) {
        const cursor = this.cursor(consumer, stream);
        if (cursor === undefined) continue;
        this.#put({ ...cursor, seq });
        moved.add(stream);
      }
    });
    for (const name of moved) {
      let lowest = Number.POSITIVE_INFINITY;
      for (const { seq } of this.#cursors.get(name)!.values()) lowest = Math.min(lowest, seq);
      const stream = this.#streams.get(name);
      if (stream !== undefined) passed(stream, lowest);
    }
  }

  #put(cursor: Cursor): void {
    let readers = this.#cursors.get(cursor.stream);
    if (readers === undefined) {
      readers = new Map();
      this.#cursors.set(cursor.stream, readers);
    }
    readers.set(cursor.consumer, cursor);
  }
}

function emptyStream(id: number, name: string, base: number): LoadedStream {
  const figures = { id, head: base, tail: base + 1, records: 0, bytes: 0, full: false };
  return { ...figures, name, lastArrival: 0, devicesAsOf: base, devices: [] };
}

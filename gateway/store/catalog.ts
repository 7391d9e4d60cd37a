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
  readonly #cursors = new Map<string, Cursor>();
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
    for (const cursor of state.cursors) this.#cursors.set(readerKey(cursor), cursor);
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
    return [...this.#cursors.values()];
  }

  cursor(consumer: string, stream: string): Cursor | undefined {
    return this.#cursors.get(readerKey({ consumer, stream }));
  }

  addCursor(position: CursorPosition): void {
    const key = readerKey(position);
    if (!this.#cursors.has(key)) this.#cursors.set(key, { ...position, expired: 0 });
  }

  addExpired(consumer: string, stream: string, expired: number): void {
    const cursor = this.cursor(consumer, stream);
    if (cursor === undefined) return;
    this.#cursors.set(readerKey({ consumer, stream }), { ...cursor, expired: cursor.expired + expired });
  }

  retire(keep: ReadonlySet<string>): void {
    for (const key of this.#cursors.keys()) if (!keep.has(key)) this.#cursors.delete(key);
  }

  /** The transactions of a group were committed, save those whose answer says otherwise. */
  moveCursors(group: Group, reply: GroupReply): void {
    group.transactions.forEach(({ transaction, register }, index) => {
      if (reply.answers[index]?.ok !== true) return;
      for (const position of register) this.addCursor(position);
      for (const { consumer, stream, seq } of transaction.cursors ?? []) {
        const cursor = this.cursor(consumer, stream);
        if (cursor !== undefined) this.#cursors.set(readerKey({ consumer, stream }), { ...cursor, seq });
      }
    });
  }
}

function emptyStream(id: number, name: string, base: number): LoadedStream {
  const figures = { id, head: base, tail: base + 1, records: 0, bytes: 0, full: false };
  return { ...figures, name, lastArrival: 0, devicesAsOf: base, devices: [] };
}

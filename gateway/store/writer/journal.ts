import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { ExpiredCount, SegmentPart, StreamFigures, StreamTerms } from '../protocol.ts';
import { readerKey } from '../readers.ts';
import type { CursorMove, CursorPosition } from '../types.ts';
import { figures } from './figures.ts';
import {
  addCursor,
  countAppend,
  expireTo,
  markDamaged,
  moveCursor,
  passed,
  removeCursor,
  skipCursor,
} from './ledger.ts';
import { reconcileLedger, type Span } from './reconcile.ts';
import {
  emptyStream,
  leftTerms,
  loadStreams,
  type OldestRow,
  prepareSegments,
  type ReadRows,
  readRows,
  type SegmentStatements,
  type StreamState,
  saveDamage,
  savingStatements,
  spansOf,
  verifyStream,
} from './rows.ts';
import { createSegmentTable } from './schema.ts';

/** What a row costs beside its blob: counted against `maxBytes`. */
const ROW_BYTES = 32;
/** Segments deleted in one step of retention, so that a step stays short. */
const DELETE_STEP = 200;
const LEAST_STEP_BYTES = 65_536;

/**
 * The streams as the writer thread knows them. All changes happen inside a transaction of the caller; after a
 * rollback the caller must {@link reload}.
 */
export class Journal {
  readonly #db: DatabaseSync;
  readonly #streams = new Map<number, StreamState>();
  readonly #byName = new Map<string, StreamState>();
  readonly #touched = new Set<StreamState>();
  #expired: ExpiredCount[] = [];
  /** What changed in transactions that are committed, until the main thread has been told. */
  readonly #news = new Set<number>();
  #expiredNews: ExpiredCount[] = [];
  #save: ((stream: StreamState) => void) | undefined;
  damagedRecords = 0;
  /** Where streams begin that are not in the file: above all that a lost file may have held. */
  base = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.reload();
  }

  /** Reads all counters from the database again. */
  reload(): void {
    const terms = [...this.#streams.values()].flatMap((stream) => stream.terms ?? []);
    this.#streams.clear();
    this.#byName.clear();
    this.#touched.clear();
    this.#expired = [];
    const { base, streams } = loadStreams(this.#db);
    this.base = base;
    this.damagedRecords = 0;
    for (const stream of streams) {
      this.#add(stream);
      for (const { first, last } of stream.damage) this.damagedRecords += last - first + 1;
    }
    this.setTerms(terms);
  }

  setTerms(streams: readonly StreamTerms[]): void {
    for (const terms of streams) {
      const known = this.#streams.get(terms.id);
      if (known === undefined) this.#add({ ...emptyStream(terms.id, terms.name, this.base), terms });
      else known.terms = terms;
    }
  }

  streams(): Iterable<Readonly<StreamState>> {
    return this.#streams.values();
  }

  byName(name: string): Readonly<StreamState> | undefined {
    return this.#byName.get(name);
  }

  append(part: SegmentPart, bytes: Uint8Array): void {
    const stream = this.#existing(part.streamId);
    if (part.firstSeq !== stream.head + 1) {
      throw new GatewayError('INTERNAL', `store: stream ${stream.name} numbered from ${part.firstSeq}`, {
        received: part.firstSeq,
        expected: String(stream.head + 1),
      });
    }
    this.#statements(stream).insert.run(
      part.firstSeq,
      part.count,
      part.firstArrival,
      part.lastArrival,
      bytes,
    );
    if (stream.records === 0) stream.tail = part.firstSeq;
    countAppend(stream, part.count, part.length + ROW_BYTES, part.lastArrival);
    this.#touch(stream);
  }

  /** Throws STORE_CURSOR when one of the moves is not possible. Changes nothing. */
  checkCursors(moves: readonly CursorPosition[]): void {
    for (const move of moves) {
      const stream = this.#byName.get(move.stream);
      const cursor = stream?.cursors.find((candidate) => candidate.consumer === move.consumer);
      if (stream === undefined || cursor === undefined) {
        throw new GatewayError('STORE_CURSOR', `store: ${move.consumer} is no consumer of ${move.stream}`);
      }
      if (move.seq < cursor.seq || move.seq > stream.head) {
        throw new GatewayError('STORE_CURSOR', `store: ${move.consumer} cannot move on ${move.stream}`, {
          received: move.seq,
          expected: `${cursor.seq} to ${stream.head}`,
        });
      }
    }
  }

  moveCursors(moves: readonly CursorMove[]): void {
    for (const move of moves) {
      const stream = this.#byName.get(move.stream)!;
      const cursor = stream.cursors.find((candidate) => candidate.consumer === move.consumer)!;
      if (move.seq === cursor.seq) continue;
      if (move.expired) skipCursor(stream, cursor, move.seq, this.#expiredOf(stream));
      else moveCursor(stream, cursor, move.seq);
      this.#touch(stream);
    }
  }

  register(position: CursorPosition): void {
    const known = this.#byName.get(position.stream);
    if (known === undefined) {
      throw new GatewayError('STORE_STREAM', `store: there is no stream ${position.stream}`);
    }
    const stream = this.#existing(known.id);
    if (stream.cursors.some((cursor) => cursor.consumer === position.consumer)) return;
    addCursor(stream, position.consumer, position.seq);
    this.#touch(stream);
  }

  /**
   * Forgets the cursors that are not in `keep`, and the states of consumers that have none left. Streams that nobody
   * has opened by then get terms of their own, so that what is left of them goes one day.
   */
  retire(keep: ReadonlySet<string>): void {
    const dropCursor = this.#db.prepare('DELETE FROM cursor WHERE consumer = ? AND stream = ?');
    const gone = new Set<string>();
    const left = new Set<string>();
    for (const stream of this.#streams.values()) {
      for (const cursor of [...stream.cursors]) {
        const { consumer } = cursor;
        if (keep.has(readerKey({ consumer, stream: stream.name }))) {
          left.add(consumer);
          continue;
        }
        gone.add(consumer);
        removeCursor(stream, cursor);
        this.#touch(stream);
        dropCursor.run(consumer, stream.id);
      }
    }
    const dropStates = this.#db.prepare('DELETE FROM state WHERE consumer = ?');
    for (const consumer of gone.difference(left)) dropStates.run(consumer);
    for (const stream of this.#streams.values()) {
      if (stream.terms !== undefined) continue;
      stream.terms = leftTerms(stream);
      this.#touch(stream);
    }
  }

  /** See {@link readRows}. */
  read(streamId: number, after: number, limit: number, maxBytes: number): ReadRows {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || !stream.created) return { rows: [], gaps: [] };
    return readRows(stream, this.#statements(stream), after, limit, maxBytes);
  }

  /** Notes records whose bytes turned out to be damaged. */
  damaged(streamId: number, seqs: readonly number[]): void {
    const stream = this.#existing(streamId);
    for (const seq of seqs) {
      if (seq >= stream.tail) this.#damage(stream, seq, seq, true);
    }
  }

  /** Notes ranges that no segment holds although they were never deleted. Returns how many records were unknown. */
  missing(streamId: number, gaps: readonly Span[]): number {
    const stream = this.#existing(streamId);
    const before = this.damagedRecords;
    for (const gap of gaps) this.#damage(stream, gap.first, gap.last, false);
    return this.damagedRecords - before;
  }

  #damage(stream: StreamState, first: number, last: number, inSegment: boolean): void {
    const onExpired = this.#expiredOf(stream);
    for (const part of markDamaged(stream, { first, last, inSegment }, onExpired)) {
      this.damagedRecords += part.last - part.first + 1;
      this.#db
        .prepare('INSERT OR IGNORE INTO damage (stream, first_seq, last_seq, in_segment) VALUES (?, ?, ?, ?)')
        .run(stream.id, part.first, part.last, inSegment ? 1 : 0);
    }
    this.#touch(stream);
  }

  /** Applies `maxBytes` to the streams that changed. */
  retainBytes(): void {
    for (const stream of [...this.#touched]) {
      if (stream.terms === undefined || stream.bytes <= stream.terms.maxBytes) continue;
      const { maxBytes } = stream.terms;
      // The newest segment stays, however small the limit: its records were acknowledged a moment ago.
      const over = (row: OldestRow) => stream.bytes > maxBytes && row.first_seq + row.count <= stream.head;
      this.#deleteOldest(stream, over);
    }
  }

  /** Applies `maxAgeMs`, at most a step per stream. Returns whether there is more to do. */
  retainAge(now: number): boolean {
    let more = false;
    for (const stream of this.#streams.values()) {
      if (stream.terms === undefined || !stream.created) continue;
      const oldest = now - stream.terms.maxAgeMs;
      const deleted = this.#deleteOldest(stream, (row) => row.last_arrival < oldest, undefined, DELETE_STEP);
      if (deleted === DELETE_STEP) more = true;
    }
    return more;
  }

  /**
   * Deletes the oldest records until about `bytes` are free: first what every consumer has passed, then, unless
   * `onlyPassed`, what streams with `drop-oldest` hold. Returns the bytes freed.
   */
  giveUp(bytes: number, onlyPassed: boolean): number {
    let freed = this.#giveUpFrom(bytes, () => true, true);
    if (onlyPassed || freed >= bytes) return freed;
    freed += this.#giveUpFrom(bytes - freed, (stream) => stream.terms?.whenFull !== 'reject-new', false);
    return freed;
  }

  #giveUpFrom(bytes: number, mayGive: (stream: StreamState) => boolean, onlyPassed: boolean): number {
    const candidates = [...this.#streams.values()].filter((stream) => stream.records > 0 && mayGive(stream));
    let freed = 0;
    while (freed < bytes && candidates.length > 0) {
      candidates.sort((a, b) => b.bytes - a.bytes);
      const largest = candidates[0]!;
      const before = largest.bytes;
      const goal = before - Math.min(bytes - freed, Math.max(before / 8, LEAST_STEP_BYTES));
      const deleted = this.#deleteOldest(largest, () => largest.bytes > goal, onlyPassed);
      freed += before - largest.bytes;
      if (deleted === 0 || largest.records === 0) candidates.shift();
    }
    return freed;
  }

  /** Deletes segments from the oldest on while `condition` holds. Returns how many went. */
  #deleteOldest(
    stream: StreamState,
    condition: (row: OldestRow) => boolean,
    onlyPassed = stream.terms?.whenFull === 'reject-new',
    maxSegments = Number.POSITIVE_INFINITY,
  ): number {
    const statements = this.#statements(stream);
    let deleted = 0;
    while (deleted < maxSegments) {
      const row = statements.oldest.get() as OldestRow | undefined;
      if (row === undefined || !condition(row)) break;
      const last = row.first_seq + row.count - 1;
      if (onlyPassed && last > passed(stream)) break;
      statements.remove.run(row.first_seq);
      deleted++;
      expireTo(stream, last, this.#expiredOf(stream));
      stream.records -= row.count;
      stream.deleted += row.count;
      stream.bytes -= row.bytes + ROW_BYTES;
      stream.tail = last + 1;
    }
    if (deleted === 0) return 0;
    const next = statements.oldest.get() as OldestRow | undefined;
    stream.tail = next?.first_seq ?? stream.head + 1;
    this.#forgetDamage(stream);
    this.#touch(stream);
    return deleted;
  }

  #forgetDamage(stream: StreamState): void {
    if (stream.damage.length === 0) return;
    stream.damage = stream.damage.filter((range) => range.last >= stream.tail);
    this.#db.prepare('DELETE FROM damage WHERE stream = ? AND last_seq < ?').run(stream.id, stream.tail);
  }

  /** Throws {@link Inconsistent} when counters and segments contradict each other. Cheap: two look-ups a stream. */
  verify(): void {
    for (const stream of this.#streams.values()) verifyStream(stream, this.#statements(stream));
  }

  /** After a salvage: works all counters out again. Returns how many records are lost. */
  reconcile(heads: ReadonlyMap<string, number>): number {
    let lost = 0;
    for (const stream of this.#streams.values()) {
      const { spans, bytes } = spansOf(this.#db, stream.id, ROW_BYTES);
      lost += reconcileLedger(stream, stream.base, spans, bytes, heads.get(stream.name) ?? 0);
      stream.devicesAsOf = 0;
      saveDamage(this.#db, stream);
      this.#touch(stream);
    }
    this.flush();
    return lost;
  }

  setDevicesAsOf(streamId: number, seq: number): void {
    const stream = this.#existing(streamId);
    stream.devicesAsOf = seq;
    this.#touch(stream);
  }

  /** Writes the counters that changed. Belongs into the transaction that changed them. */
  flush(): void {
    this.#save ??= savingStatements(this.#db);
    for (const stream of this.#touched) this.#save(stream);
  }

  /** To be called after the commit. */
  committed(): void {
    for (const stream of this.#touched) {
      this.#news.add(stream.id);
      for (const cursor of stream.cursors) cursor.dirty = false;
    }
    this.#touched.clear();
    if (this.#expired.length === 0) return;
    this.#expiredNews.push(...this.#expired);
    this.#expired = [];
  }

  /** What was committed since last asked, for the main thread. */
  takeChanges(): { streams: StreamFigures[]; expired: ExpiredCount[] } {
    const streams: StreamFigures[] = [];
    for (const id of this.#news) {
      const stream = this.#streams.get(id);
      if (stream !== undefined) streams.push(figures(stream));
    }
    this.#news.clear();
    const expired = this.#expiredNews;
    this.#expiredNews = [];
    return { streams, expired };
  }

  #expiredOf(stream: StreamState): (consumer: string, count: number) => void {
    return (consumer, expired) => {
      if (expired > 0) this.#expired.push({ stream: stream.name, consumer, expired });
    };
  }

  #touch(stream: StreamState): void {
    this.#touched.add(stream);
  }

  #add(stream: StreamState): void {
    this.#streams.set(stream.id, stream);
    this.#byName.set(stream.name, stream);
  }

  /** The stream with its row and table, made now if this is their first use. */
  #existing(id: number): StreamState {
    const stream = this.#streams.get(id);
    if (stream === undefined) throw new GatewayError('STORE_STREAM', `store: there is no stream ${id}`);
    if (!stream.created) {
      this.#db
        .prepare('INSERT INTO stream (id, name, base, head, tail) VALUES (?, ?, ?, ?, ?)')
        .run(id, stream.name, stream.base, stream.head, stream.tail);
      createSegmentTable(this.#db, id, stream.name);
      stream.created = true;
    }
    return stream;
  }

  #statements(stream: StreamState): SegmentStatements {
    stream.statements ??= prepareSegments(this.#db, stream.id);
    return stream.statements;
  }
}

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { ExpiredCount, SegmentPart, StreamFigures, StreamTerms } from '../protocol.ts';
import type { CursorMove, CursorPosition } from '../types.ts';
import {
  addCursor,
  countAppend,
  expireTo,
  markDamaged,
  moveCursor,
  passed,
  reached,
  removeCursor,
  type StreamLedger,
  skipCursor,
} from './ledger.ts';
import { createSegmentTable, segmentTable } from './schema.ts';

/** What a row costs beside its blob: counted against `maxBytes`. */
const ROW_BYTES = 32;
/** Segments deleted in one step of retention, so that a step stays short. */
const DELETE_STEP = 200;

interface StreamState extends StreamLedger {
  readonly id: number;
  readonly name: string;
  terms: StreamTerms | undefined;
  /** Whether row and table exist. */
  created: boolean;
  dirty: boolean;
  statements: SegmentStatements | undefined;
}

interface SegmentStatements {
  readonly insert: StatementSync;
  readonly oldest: StatementSync;
  readonly remove: StatementSync;
  readonly read: StatementSync;
}

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
  damagedRecords = 0;

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
    for (const row of this.#db.prepare('SELECT * FROM stream').all() as unknown as StreamRow[]) {
      this.#add(fromRow(row));
    }
    for (const row of this.#db.prepare('SELECT * FROM cursor').all() as unknown as CursorRow[]) {
      this.#streams.get(row.stream)?.cursors.push({
        consumer: row.consumer,
        seq: row.seq,
        lostTo: row.lost_to,
        processed: row.processed,
        expired: row.expired,
        dirty: false,
      });
    }
    const damage = this.#db.prepare('SELECT * FROM damage ORDER BY stream, first_seq').all();
    this.damagedRecords = 0;
    for (const row of damage as unknown as DamageRow[]) {
      this.damagedRecords += row.last_seq - row.first_seq + 1;
      this.#streams
        .get(row.stream)
        ?.damage.push({ first: row.first_seq, last: row.last_seq, inSegment: row.in_segment === 1 });
    }
    this.setTerms(terms);
  }

  setTerms(streams: readonly StreamTerms[]): void {
    for (const terms of streams) {
      const known = this.#streams.get(terms.id);
      if (known === undefined) this.#add({ ...emptyStream(terms.id, terms.name), terms });
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

  /** Forgets consumers that are not in `keep`, with their states. */
  retire(keep: ReadonlySet<string>): void {
    const gone = new Set<string>();
    for (const stream of this.#streams.values()) {
      for (const cursor of [...stream.cursors]) {
        if (keep.has(cursor.consumer)) continue;
        gone.add(cursor.consumer);
        removeCursor(stream, cursor);
        this.#touch(stream);
        this.#db
          .prepare('DELETE FROM cursor WHERE consumer = ? AND stream = ?')
          .run(cursor.consumer, stream.id);
      }
    }
    for (const consumer of gone) this.#db.prepare('DELETE FROM state WHERE consumer = ?').run(consumer);
  }

  read(streamId: number, after: number, limit: number, maxBytes: number): SegmentRow[] {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || !stream.created) return [];
    const rows: SegmentRow[] = [];
    let records = 0;
    let bytes = 0;
    // The last segment that begins at or before `after + 1` may hold it, so reading begins there.
    for (const row of this.#statements(stream).read.iterate(after + 1, after + 1) as Iterable<SegmentRow>) {
      if (row.first_seq + row.count <= after + 1) continue;
      rows.push(row);
      records += row.first_seq + row.count - 1 - Math.max(after, row.first_seq - 1);
      bytes += row.body.length;
      if (records >= limit || bytes >= maxBytes) break;
    }
    return rows;
  }

  /** Notes records whose bytes turned out to be damaged. */
  damaged(streamId: number, seqs: readonly number[]): void {
    const stream = this.#existing(streamId);
    for (const seq of seqs) this.#damage(stream, seq, seq, true);
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
      this.#deleteOldest(stream, over, Number.POSITIVE_INFINITY);
    }
  }

  /** Applies `maxAgeMs`, at most a step per stream. Returns whether there is more to do. */
  retainAge(now: number): boolean {
    let more = false;
    for (const stream of this.#streams.values()) {
      if (stream.terms === undefined || !stream.created) continue;
      const oldest = now - stream.terms.maxAgeMs;
      const deleted = this.#deleteOldest(stream, (row) => row.last_arrival < oldest, DELETE_STEP);
      if (deleted === DELETE_STEP) more = true;
    }
    return more;
  }

  /** Gives up the oldest records of `drop-oldest` streams until about `bytes` are free. Returns the bytes freed. */
  giveUp(bytes: number): number {
    let freed = 0;
    while (freed < bytes) {
      const candidates = [...this.#streams.values()].filter(
        (stream) => stream.records > 0 && stream.terms?.whenFull !== 'reject-new',
      );
      const largest = candidates.sort((a, b) => b.bytes - a.bytes)[0];
      if (largest === undefined) break;
      const before = largest.bytes;
      const goal = before - Math.min(bytes - freed, Math.max(before / 8, 65_536));
      this.#deleteOldest(largest, () => largest.bytes > goal, Number.POSITIVE_INFINITY);
      if (largest.bytes === before) break;
      freed += before - largest.bytes;
    }
    return freed;
  }

  /** Deletes segments from the oldest on while `condition` holds. Returns how many went. */
  #deleteOldest(stream: StreamState, condition: (row: OldestRow) => boolean, maxSegments: number): number {
    const statements = this.#statements(stream);
    const keepsNeeded = stream.terms?.whenFull === 'reject-new';
    let deleted = 0;
    while (deleted < maxSegments) {
      const row = statements.oldest.get() as OldestRow | undefined;
      if (row === undefined || !condition(row)) break;
      const last = row.first_seq + row.count - 1;
      if (keepsNeeded && last > passed(stream)) break;
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

  setDevicesAsOf(streamId: number, seq: number): void {
    const stream = this.#existing(streamId);
    stream.devicesAsOf = seq;
    this.#touch(stream);
  }

  /** Writes the counters that changed. Belongs into the transaction that changed them. */
  flush(): void {
    for (const stream of this.#touched) {
      this.#saveStream.run(
        stream.head,
        stream.tail,
        stream.records,
        stream.bytes,
        stream.accepted,
        stream.forwarded,
        stream.expired,
        stream.deleted,
        stream.lastArrival,
        stream.devicesAsOf,
        stream.id,
      );
      for (const cursor of stream.cursors) {
        if (!cursor.dirty) continue;
        this.#saveCursor.run(
          cursor.consumer,
          stream.id,
          cursor.seq,
          cursor.lostTo,
          cursor.processed,
          cursor.expired,
        );
      }
    }
  }

  /** To be called after the commit: what changed, for the main thread. */
  takeChanges(): { streams: StreamFigures[]; expired: ExpiredCount[] } {
    const streams = [...this.#touched].map(figures);
    for (const stream of this.#touched) for (const cursor of stream.cursors) cursor.dirty = false;
    this.#touched.clear();
    const expired = this.#expired;
    this.#expired = [];
    return { streams, expired };
  }

  get #saveStream(): StatementSync {
    this.#saveStreamStatement ??= this.#db.prepare(
      `UPDATE stream SET head = ?, tail = ?, records = ?, bytes = ?, accepted = ?, forwarded = ?, expired = ?,
        deleted = ?, last_arrival = ?, devices_as_of = ? WHERE id = ?`,
    );
    return this.#saveStreamStatement;
  }
  #saveStreamStatement: StatementSync | undefined;

  get #saveCursor(): StatementSync {
    this.#saveCursorStatement ??= this.#db.prepare(
      `INSERT INTO cursor (consumer, stream, seq, lost_to, processed, expired) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (consumer, stream) DO UPDATE SET seq = excluded.seq, lost_to = excluded.lost_to,
        processed = excluded.processed, expired = excluded.expired`,
    );
    return this.#saveCursorStatement;
  }
  #saveCursorStatement: StatementSync | undefined;

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
      this.#db.prepare('INSERT INTO stream (id, name) VALUES (?, ?)').run(id, stream.name);
      createSegmentTable(this.#db, id);
      stream.created = true;
    }
    return stream;
  }

  #statements(stream: StreamState): SegmentStatements {
    if (stream.statements !== undefined) return stream.statements;
    const table = segmentTable(stream.id);
    stream.statements = {
      insert: this.#db.prepare(
        `INSERT INTO ${table} (first_seq, count, first_arrival, last_arrival, body) VALUES (?, ?, ?, ?, ?)`,
      ),
      oldest: this.#db.prepare(
        `SELECT first_seq, count, last_arrival, length(body) AS bytes FROM ${table} ORDER BY first_seq LIMIT 1`,
      ),
      remove: this.#db.prepare(`DELETE FROM ${table} WHERE first_seq = ?`),
      read: this.#db.prepare(
        `SELECT first_seq, count, body FROM ${table}
          WHERE first_seq >= coalesce((SELECT max(first_seq) FROM ${table} WHERE first_seq <= ?), ?)
          ORDER BY first_seq`,
      ),
    };
    return stream.statements;
  }
}

export function figures(stream: Readonly<StreamState>): StreamFigures {
  const { id, head, tail, records, bytes, terms } = stream;
  const full = terms?.whenFull === 'reject-new' && bytes > terms.maxBytes;
  return { id, head, tail, records, bytes, full };
}

/** All cursors with their places, as the main thread sees them. */
export function cursorsOf(journal: Journal): (CursorPosition & { expired: number })[] {
  return [...journal.streams()].flatMap((stream) =>
    stream.cursors.map((cursor) => ({
      consumer: cursor.consumer,
      stream: stream.name,
      seq: reached(cursor),
      expired: cursor.expired,
    })),
  );
}

export interface SegmentRow {
  readonly first_seq: number;
  readonly count: number;
  readonly body: Uint8Array;
}

interface OldestRow {
  readonly first_seq: number;
  readonly count: number;
  readonly last_arrival: number;
  readonly bytes: number;
}

interface StreamRow {
  readonly id: number;
  readonly name: string;
  readonly head: number;
  readonly tail: number;
  readonly records: number;
  readonly bytes: number;
  readonly accepted: number;
  readonly forwarded: number;
  readonly expired: number;
  readonly deleted: number;
  readonly last_arrival: number;
  readonly devices_as_of: number;
}

interface CursorRow {
  readonly consumer: string;
  readonly stream: number;
  readonly seq: number;
  readonly lost_to: number;
  readonly processed: number;
  readonly expired: number;
}

interface DamageRow {
  readonly stream: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly in_segment: number;
}

function emptyStream(id: number, name: string): StreamState {
  return {
    id,
    name,
    terms: undefined,
    created: false,
    dirty: false,
    statements: undefined,
    head: 0,
    tail: 1,
    records: 0,
    bytes: 0,
    accepted: 0,
    forwarded: 0,
    expired: 0,
    deleted: 0,
    lastArrival: 0,
    devicesAsOf: 0,
    cursors: [],
    damage: [],
  };
}

function fromRow(row: StreamRow): StreamState {
  const { id, name, head, tail, records, bytes, accepted, forwarded, expired, deleted } = row;
  return {
    ...emptyStream(id, name),
    created: true,
    head,
    tail,
    records,
    bytes,
    accepted,
    forwarded,
    expired,
    deleted,
    lastArrival: row.last_arrival,
    devicesAsOf: row.devices_as_of,
  };
}

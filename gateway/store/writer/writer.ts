import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type {
  CallAnswers,
  CallRequest,
  Changes,
  GroupReply,
  GroupRequest,
  LoadedState,
  RebuildNotice,
  StreamTerms,
  WriterOptions,
} from '../protocol.ts';
import type { StoreModule } from '../types.ts';
import { audit } from './audit.ts';
import { PAGE_BYTES, walBytes } from './database.ts';
import { asFailure, isCorruption, isDiskFault } from './faults.ts';
import { cursorsOf, figures } from './figures.ts';
import { GroupRunner, SplitGroup } from './group.ts';
import type { Journal } from './journal.ts';
import { type Opened, type OpenOptions, openOrRebuild, reasonOf, replaceDamaged } from './open.ts';
import { quarantined } from './quarantine.ts';
import { Reserve } from './reserve.ts';

/** Pages given back to the file system in one step. */
const VACUUM_STEP = 256;
/** Least that is given up at once when the disk is full. */
const LEAST_ROOM_BYTES = 512 * 1024;
const ROOM_ATTEMPTS = 4;

/** The writer thread's side of the store: one database, one group at a time, calls in between. */
export class Writer {
  readonly #options: OpenOptions;
  readonly #walLimit: number;
  readonly #reserve: Reserve;
  #terms: StreamTerms[] = [];
  #db!: DatabaseSync;
  #journal!: Journal;
  #groups!: GroupRunner;
  #states!: StatementSync;
  #checkpointState!: StatementSync;
  #pageCount!: StatementSync;
  #freePages!: StatementSync;
  #fileBytes = 0;
  #epoch = 0;
  #loaded: LoadedState | undefined;

  constructor(options: WriterOptions, modules: readonly StoreModule[]) {
    const { dir, durability, now } = options;
    this.#options = { dir, durability, modules, now };
    this.#walLimit = walBytes(dir);
    this.#reserve = new Reserve(dir, this.#walLimit + 1024 * 1024);
    this.#use(openOrRebuild(this.#options));
    this.#reserve.hold();
  }

  /** The state of the database when it was (re)opened; undefined when it was taken before. */
  takeLoaded(): LoadedState | undefined {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    return loaded;
  }

  setTerms(streams: readonly StreamTerms[]): void {
    this.#terms = [...this.#terms.filter((one) => !streams.some((two) => two.id === one.id)), ...streams];
    this.#journal.setTerms(streams);
  }

  group(request: GroupRequest): GroupReply {
    const begun = performance.now();
    const reply = (outcome: GroupReply['outcome'], rest: Partial<GroupReply> = {}): GroupReply => ({
      kind: 'group',
      id: request.id,
      buffer: request.buffer,
      outcome,
      answers: [],
      changes: this.takeChanges(),
      full: !this.#reserve.held,
      ms: performance.now() - begun,
      ...rest,
    });
    if (request.epoch !== this.#epoch) return reply('again');
    try {
      return reply('committed', { answers: this.#commit(request) });
    } catch (error) {
      if (error instanceof SplitGroup) return reply('split', { answers: error.answers });
      if (isDiskFault(error)) return reply('full', { error: asFailure(error), full: true });
      if (!isCorruption(error)) return reply('failed', { error: asFailure(error) });
      this.#rebuild(error);
      return reply('again');
    }
  }

  call(request: CallRequest): CallAnswers[CallRequest['call']] {
    try {
      return this.#call(request);
    } catch (error) {
      if (!isCorruption(error)) throw error;
      this.#rebuild(error);
      return this.#call(request);
    }
  }

  /** What changed since last asked; undefined when nothing did. */
  takeChanges(): Changes | undefined {
    const changes = this.#journal.takeChanges();
    if (changes.streams.length + changes.expired.length === 0) return undefined;
    return { ...changes, fileBytes: this.#fileBytes };
  }

  /** To be called while nothing waits: moves the log into the database when it has grown. */
  tidy(): void {
    try {
      this.#checkpointIfDue();
    } catch (error) {
      if (!isCorruption(error)) throw error;
      this.#rebuild(error);
    }
  }

  #checkpointIfDue(): void {
    const row = this.#checkpointState.get() as { log?: number } | undefined;
    const walBytes = Math.max(0, row?.log ?? 0) * PAGE_BYTES;
    if (walBytes >= this.#walLimit) this.#checkpoint('PASSIVE');
    this.#fileBytes = this.#count(this.#pageCount) * PAGE_BYTES + walBytes;
  }

  close(): void {
    this.#checkpoint('TRUNCATE');
    this.#db.close();
  }

  #use(opened: Opened): void {
    const { db, journal, devices, rebuilt } = opened;
    this.#db = db;
    this.#journal = journal;
    this.#journal.setTerms(this.#terms);
    this.#groups = new GroupRunner(db, journal, this.#options.modules);
    this.#states = db.prepare('SELECT key, as_of AS asOf, bytes FROM state WHERE consumer = ?');
    this.#checkpointState = db.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#pageCount = db.prepare('PRAGMA page_count');
    this.#freePages = db.prepare('PRAGMA freelist_count');
    this.#epoch++;
    this.#loaded = {
      epoch: this.#epoch,
      lastGroup: this.#count(db.prepare('PRAGMA user_version')),
      streams: [...journal.streams()].map((stream) => ({
        ...figures(stream),
        name: stream.name,
        lastArrival: stream.lastArrival,
        devicesAsOf: stream.devicesAsOf,
        devices: devices.get(stream.id) ?? [],
      })),
      cursors: cursorsOf(journal.streams()),
      base: journal.base,
      quarantined: quarantined(this.#options.dir),
      rebuilt: rebuilt satisfies RebuildNotice | undefined,
      damagedRecords: journal.damagedRecords,
      fileBytes: this.#count(this.#pageCount) * PAGE_BYTES,
    };
  }

  #rebuild(error: unknown): void {
    const heads = new Map([...this.#journal.streams()].map((stream) => [stream.name, stream.head]));
    try {
      this.#db.close();
    } catch {
      // What cannot be closed cleanly is about to be put aside.
    }
    this.#reserve.release();
    this.#use(replaceDamaged(this.#options, reasonOf(error), heads));
    this.#reserve.hold();
  }

  /** Runs the group; on a full disk makes room as far as the group allows and tries again. */
  #commit(request: GroupRequest) {
    if (this.#reserve.held || !request.makeRoom) {
      try {
        return this.#groups.run(request);
      } catch (error) {
        if (!isDiskFault(error)) throw error;
        this.#checkpoint('RESTART');
      }
      if (!request.makeRoom) return this.#groups.run(request);
    }
    this.#reserve.release();
    const size = request.segments.reduce((sum, part) => sum + part.length, 0);
    for (let attempt = 1; ; attempt++) {
      try {
        // The database must not grow into the space that cleaning up needs: pages are freed before they are used.
        const wanted = LEAST_ROOM_BYTES / 2 + 2 * size * attempt;
        if (this.#count(this.#freePages) * PAGE_BYTES < wanted) {
          this.#giveUp(Math.max(LEAST_ROOM_BYTES, wanted), false);
        }
        return this.#groups.run(request);
      } catch (error) {
        if (!isDiskFault(error) || attempt === ROOM_ATTEMPTS) throw error;
      } finally {
        this.#reserve.hold();
      }
      this.#reserve.release();
    }
  }

  #giveUp(bytes: number, onlyPassed: boolean): void {
    this.#change(() => this.#journal.giveUp(bytes, onlyPassed));
    // The log starts over within its file: what it gave back, another program might take.
    this.#checkpoint('RESTART');
  }

  /** Whether the disk takes writes again; gives back what is no longer needed to get there. */
  #probe(): boolean {
    if (this.#reserve.hold()) return true;
    const wanted = 3 * this.#reserve.size;
    try {
      if (this.#count(this.#freePages) * PAGE_BYTES < wanted) this.#giveUp(wanted, true);
      if (this.#count(this.#freePages) * PAGE_BYTES >= wanted) this.#vacuum(wanted / 3 / PAGE_BYTES);
      this.#checkpoint('TRUNCATE');
    } catch (error) {
      if (!isDiskFault(error)) throw error;
    }
    return this.#reserve.hold();
  }

  #call(request: CallRequest): CallAnswers[CallRequest['call']] {
    switch (request.call) {
      case 'read':
        return this.#read(request.streamId, request.after, request.limit, request.bytes);
      case 'states':
        return this.#states.all(request.consumer) as unknown as CallAnswers['states'];
      case 'query':
        return this.#query(request.name, request.args);
      case 'audit':
        return audit(this.#db, namesOf(this.#terms));
      case 'damaged':
        this.#change(() => this.#journal.damaged(request.streamId, request.seqs));
        return null;
      case 'maintain':
        return this.#maintain(request.now, request.synced);
      case 'probe':
        return this.#probe();
    }
  }

  #read(streamId: number, after: number, limit: number, bytes: number): CallAnswers['read'] {
    const { rows, gaps } = this.#journal.read(streamId, after, limit, bytes);
    let missing = 0;
    if (gaps.length > 0) this.#change(() => (missing = this.#journal.missing(streamId, gaps)));
    return {
      segments: rows.map((row) => ({ firstSeq: row.first_seq, count: row.count, bytes: row.body })),
      missing,
    };
  }

  /** One step of what has to be done from time to time. Returns whether there is more. */
  #maintain(now: number, synced: boolean): boolean {
    let more = false;
    if (synced) this.#change(() => (more = this.#journal.retainAge(now)));
    if (more) return true;
    const free = this.#count(this.#freePages);
    const spare = Math.max(VACUUM_STEP, Math.floor(this.#count(this.#pageCount) / 8));
    if (!this.#reserve.held || free <= spare) return false;
    this.#vacuum(Math.max(spare, free - VACUUM_STEP));
    if (free - VACUUM_STEP > spare) return true;
    this.#checkpoint('TRUNCATE');
    return false;
  }

  /** Gives free pages back to the file system until about `keep` of them are left. */
  #vacuum(keep: number): void {
    for (let left = this.#count(this.#freePages) - keep; left > 0; left -= VACUUM_STEP) {
      this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(Math.ceil(left), VACUUM_STEP)})`);
      this.#checkpointIfDue();
    }
  }

  /** A checkpoint that the disk refuses loses nothing: the log keeps what it has. */
  #checkpoint(mode: 'PASSIVE' | 'RESTART' | 'TRUNCATE'): void {
    try {
      this.#db.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch (error) {
      if (!isDiskFault(error)) throw error;
    }
  }

  #count(statement: StatementSync): number {
    return Number(Object.values(statement.get() ?? {})[0] ?? 0);
  }

  #change(work: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      this.#journal.flush();
      this.#db.exec('COMMIT');
      this.#journal.committed();
    } catch (error) {
      this.#groups.rollback();
      throw error;
    }
  }

  #query(name: string, args: unknown): unknown {
    const [moduleName, queryName] = name.split('.', 2);
    const module = this.#options.modules.find((candidate) => candidate.name === moduleName);
    const query = module?.queries[queryName ?? ''];
    if (query === undefined) throw new GatewayError('INTERNAL', `store: there is no query ${name}`);
    return query(this.#db, args as never);
  }
}

/** The streams that doors write to; those of the gateway's own making begin with a dollar sign. */
const namesOf = (terms: readonly StreamTerms[]): string[] =>
  terms.map(({ name }) => name).filter((name) => !name.startsWith('$'));

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type {
  CallAnswers,
  CallRequest,
  GroupReply,
  GroupRequest,
  LoadedState,
  StreamFigures,
  StreamTerms,
  WriterOptions,
} from '../protocol.ts';
import type { StoreModule } from '../types.ts';
import { audit } from './audit.ts';
import { openDatabase, WAL_BYTES } from './database.ts';
import { loadDevices } from './devices.ts';
import { asFailure, isDiskFault } from './faults.ts';
import { GroupRunner, SplitGroup } from './group.ts';
import { cursorsOf, figures, Journal } from './journal.ts';
import { migrate } from './schema.ts';

/** Pages given back to the file system in one step. */
const VACUUM_STEP = 256;

/** The writer thread's side of the store: one database, one group at a time, calls in between. */
export class Writer {
  readonly #modules: readonly StoreModule[];
  #db: DatabaseSync;
  #journal: Journal;
  #groups: GroupRunner;
  #states: StatementSync;
  #walFrames = 0;

  constructor(options: WriterOptions, modules: readonly StoreModule[]) {
    this.#modules = modules;
    this.#db = openDatabase(options);
    migrate(this.#db, modules);
    this.#journal = new Journal(this.#db);
    this.#groups = new GroupRunner(this.#db, this.#journal, modules);
    this.#states = this.#db.prepare('SELECT key, as_of AS asOf, bytes FROM state WHERE consumer = ?');
  }

  load(): LoadedState {
    const devices = loadDevices(this.#db, this.#journal);
    return {
      streams: [...this.#journal.streams()].map((stream) => ({
        ...figures(stream),
        name: stream.name,
        lastArrival: stream.lastArrival,
        devicesAsOf: stream.devicesAsOf,
        devices: devices.get(stream.id) ?? [],
      })),
      cursors: cursorsOf(this.#journal),
      quarantined: [],
      damagedRecords: this.#journal.damagedRecords,
      fileBytes: this.fileBytes(),
    };
  }

  setTerms(streams: readonly StreamTerms[]): void {
    this.#journal.setTerms(streams);
  }

  group(request: GroupRequest): GroupReply {
    const begun = performance.now();
    const reply = (outcome: GroupReply['outcome'], rest: Partial<GroupReply>): GroupReply => ({
      kind: 'group',
      id: request.id,
      buffer: request.buffer,
      outcome,
      answers: [],
      ms: performance.now() - begun,
      ...rest,
    });
    try {
      return reply('committed', { answers: this.#groups.run(request) });
    } catch (error) {
      if (error instanceof SplitGroup) return reply('split', { answers: error.answers });
      return reply(isDiskFault(error) ? 'full' : 'failed', { error: asFailure(error) });
    }
  }

  call(request: CallRequest): CallAnswers[CallRequest['call']] {
    switch (request.call) {
      case 'read':
        return this.#journal
          .read(request.streamId, request.after, request.limit, request.bytes)
          .map((row) => ({ firstSeq: row.first_seq, count: row.count, bytes: row.body }));
      case 'states':
        return this.#states.all(request.consumer) as unknown as CallAnswers['states'];
      case 'query':
        return this.#query(request.name, request.args);
      case 'audit':
        return audit(this.#db);
      case 'damaged':
        this.#change(() => this.#journal.damaged(request.streamId, request.seqs));
        return null;
      case 'maintain':
        this.#maintain(request.now, request.synced);
        return null;
      case 'probe':
        return true;
    }
  }

  /** What changed since last asked, for the main thread. */
  takeChanges(): {
    streams: StreamFigures[];
    expired: { stream: string; consumer: string; expired: number }[];
  } {
    return this.#journal.takeChanges();
  }

  /** To be called while nothing waits: moves the log into the database when it has grown. */
  checkpoint(force = false): void {
    const row = this.#db.prepare('PRAGMA wal_checkpoint(NOOP)').get() as { log?: number } | undefined;
    this.#walFrames = row?.log ?? 0;
    if (!force && this.#walFrames * 4096 < WAL_BYTES) return;
    this.#db.exec(`PRAGMA wal_checkpoint(${force ? 'TRUNCATE' : 'PASSIVE'})`);
  }

  fileBytes(): number {
    const pages = this.#db.prepare('PRAGMA page_count').get() as { page_count: number };
    return pages.page_count * 4096 + this.#walFrames * 4096;
  }

  close(): void {
    this.checkpoint(true);
    this.#db.close();
  }

  #maintain(now: number, synced: boolean): void {
    if (synced) {
      let more = true;
      while (more) this.#change(() => (more = this.#journal.retainAge(now)));
    }
    this.#vacuum();
  }

  #vacuum(): void {
    const free = this.#db.prepare('PRAGMA freelist_count').get() as { freelist_count: number };
    const total = this.#db.prepare('PRAGMA page_count').get() as { page_count: number };
    const spare = Math.max(VACUUM_STEP, Math.floor(total.page_count / 8));
    for (let left = free.freelist_count - spare; left > 0; left -= VACUUM_STEP) {
      this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(left, VACUUM_STEP)})`);
      this.checkpoint();
    }
  }

  #change(work: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      this.#journal.flush();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#groups.rollback();
      throw error;
    }
  }

  #query(name: string, args: unknown): unknown {
    const [moduleName, queryName] = name.split('.', 2);
    const module = this.#modules.find((candidate) => candidate.name === moduleName);
    const query = module?.queries[queryName ?? ''];
    if (query === undefined) throw new GatewayError('INTERNAL', `store: there is no query ${name}`);
    return query(this.#db, args as never);
  }
}

import { asGatewayError, GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { GrowableBytes } from './bytes.ts';
import { Group, type PendingTransaction, sizeOf } from './group.ts';
import type { CallAnswers, DeviceRow, GroupReply, LoadedState, LoadedStream, Reply } from './protocol.ts';
import { Stream, type StreamHost } from './stream.ts';
import { TailCache } from './tail.ts';
import type {
  AuditRow,
  CursorPosition,
  JournalStream,
  NewRecord,
  Store,
  StoreHealth,
  StreamOptions,
  Transaction,
} from './types.ts';
import { asError, WriterLink } from './writer-link.ts';

export interface StoreParts {
  /** Folder of the database; made when absent. */
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Files that export a `storeModule`, see {@link StoreModule}; loaded by the writer thread. */
  readonly modules: readonly URL[];
  /** Bytes of recently committed records kept in memory, over all streams. */
  readonly tailBytes?: number;
}

/** Doors stop reading above this; appends are refused at four times it. */
const HIGH_WATER_BYTES = 8 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024 * 1024;
const MAINTENANCE_MS = 10_000;
/** Device counters are saved in rounds: one round per this many records, so many rows per group. */
const DEVICES_EVERY = 20_000;
const DEVICES_PER_GROUP = 500;

/** The store: see types.ts for its contract and README.md for what it promises. Touches nothing before `start`. */
export function openStore(parts: StoreParts): Store {
  return new MainStore(parts);
}

class MainStore implements Store, StreamHost {
  readonly highWater = HIGH_WATER_BYTES;
  outstandingBytes = 0;
  readonly #parts: StoreParts;
  readonly #log: Log;
  readonly #streams = new Map<string, Stream<unknown>>();
  readonly #byId = new Map<number, Stream<unknown>>();
  /** Streams in the file that nobody has opened yet. */
  readonly #dormant = new Map<string, LoadedStream>();
  readonly #cursors = new Map<string, CursorPosition & { expired: number }>();
  readonly #tail: TailCache;
  #queue: Group[] = [];
  #inFlight: Group | undefined;
  #memory: GrowableBytes | undefined;
  #devices: DeviceRow[] = [];
  #devicesAsOf: { streamId: number; seq: number }[] = [];
  #link: WriterLink | undefined;
  #state: 'new' | 'starting' | 'running' | 'stopping' | 'stopped' = 'new';
  #nextStreamId = 1;
  #groupIds = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];
  #cancelMaintenance: (() => void) | undefined;
  #commits = 0;
  #committedRecords = 0;
  #lastCommitMs = 0;
  #damagedRecords = 0;
  #fileBytes = 0;
  #quarantined: readonly string[] = [];
  #full = false;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#log = parts.log.child('store');
    this.#tail = new TailCache(parts.tailBytes ?? TAIL_BYTES);
  }

  get health(): StoreHealth {
    return {
      full: this.#full,
      commits: this.#commits,
      lastCommitMs: this.#lastCommitMs,
      recordsPerCommit: this.#commits === 0 ? 0 : this.#committedRecords / this.#commits,
      damagedRecords: this.#damagedRecords,
      quarantined: this.#quarantined,
      fileBytes: this.#fileBytes,
    };
  }

  now(): number {
    return this.#parts.clock.now();
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'new' && this.#state !== 'stopped') return;
    signal.throwIfAborted();
    this.#state = 'starting';
    const { dir, durability, modules } = this.#parts;
    const link = new WriterLink(
      { dir, durability, modules: modules.map(String) },
      {
        onGroup: (reply) => this.#finish(reply),
        onFigures: (reply) => this.#takeFigures(reply),
        onRebuilt: (state) => this.#load(state),
        onLost: (error) => this.#lost(error),
      },
    );
    this.#link = link;
    const abort = () => void link.terminate();
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.#load(await link.ready());
      signal.throwIfAborted();
      this.#state = 'running';
      this.#maintain();
    } catch (error) {
      this.#state = 'stopped';
      this.#link = undefined;
      await link.terminate();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async stop(): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#cancelMaintenance?.();
    await this.#drained();
    this.#saveAllDevices();
    await this.#drained();
    await link.close();
    this.#link = undefined;
    this.#state = 'stopped';
  }

  stream<T>(name: string, options: StreamOptions<T>): JournalStream<T> {
    const known = this.#streams.get(name);
    if (known !== undefined) return known as unknown as JournalStream<T>;
    const stream = new Stream<T>(name, options, this) as unknown as Stream<unknown>;
    this.#streams.set(name, stream);
    if (this.#link !== undefined && this.#state !== 'starting') {
      this.#adopt(stream);
      this.#link.sendTerms([stream.terms]);
    }
    return stream as unknown as JournalStream<T>;
  }

  streams(): readonly string[] {
    return [...new Set([...this.#streams.keys(), ...this.#dormant.keys()])];
  }

  consumer(name: string, stream: string, at: 'oldest' | 'newest'): CursorPosition {
    if (this.#state !== 'running') {
      throw new GatewayError('STORE_CLOSED', `store: ${name} registered before the store was started`);
    }
    const target = this.#streamOf(stream);
    target.followed = true;
    const key = cursorKey(name, stream);
    const known = this.#cursors.get(key);
    if (known !== undefined) return { consumer: name, stream, seq: known.seq };
    const position = { consumer: name, stream, seq: at === 'oldest' ? target.tail - 1 : target.head };
    this.#cursors.set(key, { ...position, expired: 0 });
    this.#chore({ register: [position], keep: undefined }).catch((error: unknown) => {
      this.#log.error(
        { error, consumer: name, stream },
        'could not register a consumer; it will not be counted',
      );
    });
    return position;
  }

  async retireConsumers(keep: ReadonlySet<string>): Promise<void> {
    await this.#chore({ register: [], keep });
    for (const [key, cursor] of this.#cursors) if (!keep.has(cursor.consumer)) this.#cursors.delete(key);
  }

  cursors(): readonly (CursorPosition & { readonly expired: number })[] {
    return [...this.#cursors.values()].map((cursor) => ({ ...cursor }));
  }

  append(
    stream: Stream<unknown>,
    records: readonly NewRecord<unknown>[],
    done: (error: Error | null) => void,
  ): void {
    const refusal = this.#refusal(stream);
    if (refusal !== undefined) {
      done(refusal);
      return;
    }
    try {
      const group = this.#forming();
      const before = group.bytes;
      group.append(stream, records, done);
      this.outstandingBytes += group.bytes - before;
    } catch (error) {
      done(asGatewayError(error));
      return;
    }
    this.#schedule();
  }

  commit(transaction: Transaction): Promise<unknown[]> {
    return this.#enqueue(transaction, [], undefined);
  }

  async states(consumer: string): Promise<{ key: string; asOf: number; bytes: Uint8Array }[]> {
    return await this.#open().call<'states'>({ call: 'states', consumer });
  }

  async query<T>(name: string, args?: unknown): Promise<T> {
    return (await this.#open().call<'query'>({ call: 'query', name, args })) as T;
  }

  async audit(): Promise<AuditRow[]> {
    return await this.#open().call<'audit'>({ call: 'audit' });
  }

  async readSegments(
    streamId: number,
    after: number,
    limit: number,
    bytes: number,
  ): Promise<CallAnswers['read']> {
    return await this.#open().call<'read'>({ call: 'read', streamId, after, limit, bytes });
  }

  damaged(stream: Stream<unknown>, seqs: readonly number[]): void {
    this.#damagedRecords += seqs.length;
    this.#parts.alarms.raise({
      kind: 'store-damaged',
      severity: 'warning',
      message: `store: ${seqs.length} records of ${stream.name} are damaged and were skipped`,
      fix: 'Check the disk; the records are counted as expired in the audit.',
      detail: { stream: stream.name, firstSeq: seqs[0], records: seqs.length },
    });
    this.#open()
      .call<'damaged'>({ call: 'damaged', streamId: stream.id, seqs })
      .catch((error: unknown) =>
        this.#log.error({ error }, 'could not count damaged records; the next read will'),
      );
  }

  #open(): WriterLink {
    if (this.#link !== undefined && this.#state !== 'starting') return this.#link;
    throw new GatewayError('STORE_CLOSED', 'store: it is not running');
  }

  #refusal(stream: Stream<unknown>): GatewayError | undefined {
    if (this.#state === 'stopping') return new GatewayError('STOPPING', 'store: the gateway is stopping');
    if (this.#state !== 'running') return new GatewayError('STORE_CLOSED', 'store: it is not running');
    if (stream.full) {
      return new GatewayError('STORE_FULL', `store: ${stream.name} holds all it may and is still needed`, {
        expected: `at most ${stream.options.maxBytes} bytes`,
      });
    }
    if (this.outstandingBytes > 4 * HIGH_WATER_BYTES) {
      return new GatewayError('STORE_BUSY', 'store: too much is waiting for the disk', {
        received: this.outstandingBytes,
      });
    }
    return undefined;
  }

  #chore(chore: {
    register: readonly CursorPosition[];
    keep: ReadonlySet<string> | undefined;
  }): Promise<unknown[]> {
    return this.#enqueue({}, chore.register, chore.keep);
  }

  #enqueue(
    transaction: Transaction,
    register: readonly CursorPosition[],
    keep: ReadonlySet<string> | undefined,
  ): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'running') {
        const code = this.#state === 'stopping' ? 'STOPPING' : 'STORE_CLOSED';
        reject(new GatewayError(code, 'store: it is not running'));
        return;
      }
      const bytes = sizeOf(transaction);
      this.#place({ transaction, register, keep, bytes, resolve, reject });
      this.#schedule();
    });
  }

  #place(pending: PendingTransaction): void {
    try {
      const group = this.#forming();
      const before = group.bytes;
      group.commit(pending, (name) => this.#streamOf(name));
      this.outstandingBytes += group.bytes - before;
    } catch (error) {
      pending.reject(asGatewayError(error));
    }
  }

  #streamOf(name: string): Stream<unknown> {
    const stream = this.#streams.get(name);
    if (stream === undefined) {
      throw new GatewayError('STORE_STREAM', `store: nobody opened the stream ${name}`, { received: name });
    }
    return stream;
  }

  #forming(): Group {
    const last = this.#queue[this.#queue.length - 1];
    if (last !== undefined && !last.full) return last;
    const group = new Group();
    this.#queue.push(group);
    return group;
  }

  /** Lets everything that arrives in this turn of the event loop go into one group. */
  #schedule(): void {
    if (this.#inFlight !== undefined || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#inFlight !== undefined || this.#link === undefined) return;
    const group = this.#queue.shift();
    if (group === undefined) return;
    this.#inFlight = group;
    const memory = this.#memory ?? new GrowableBytes(65_536);
    this.#memory = undefined;
    memory.truncate(0);
    const segments = group.seal(memory);
    this.#collectDevices();
    this.#link.sendGroup({
      kind: 'group',
      id: ++this.#groupIds,
      buffer: memory.release(),
      segments,
      transactions: group.transactionParts(),
      devices: this.#devices,
      devicesAsOf: this.#devicesAsOf,
      makeRoom: false,
    });
  }

  #collectDevices(): void {
    for (const stream of this.#streams.values()) {
      const room = DEVICES_PER_GROUP - this.#devices.length;
      if (room <= 0) break;
      const asOf = stream.sweepDevices(DEVICES_EVERY, room, this.#devices);
      if (asOf !== undefined) this.#devicesAsOf.push({ streamId: stream.id, seq: asOf });
    }
  }

  #saveAllDevices(): void {
    for (const stream of this.#streams.values()) {
      const asOf = stream.sweepDevices(1, Number.POSITIVE_INFINITY, this.#devices);
      if (asOf !== undefined) this.#devicesAsOf.push({ streamId: stream.id, seq: asOf });
    }
    if (this.#devicesAsOf.length === 0) return;
    this.#queue.push(new Group());
    this.#dispatch();
  }

  #finish(reply: GroupReply): void {
    const group = this.#inFlight;
    this.#inFlight = undefined;
    this.#memory = new GrowableBytes(reply.buffer);
    if (group === undefined) return;
    if (reply.outcome !== 'committed') {
      this.#retry(group, reply);
      return;
    }
    this.#commits++;
    this.#committedRecords += group.records;
    this.#lastCommitMs = reply.ms;
    this.outstandingBytes -= group.bytes;
    this.#devices = [];
    this.#devicesAsOf = [];
    for (const segment of group.segments()) {
      const { stream, records, out } = segment;
      if (records.length === 0) continue;
      stream.committed(records);
      if (stream.followed) this.#tail.add(stream.tailRecords, records, out.length);
    }
    this.#dispatch();
    for (const segment of group.segments()) {
      if (segment.records.length > 0) segment.stream.notify((error) => this.#report(error));
    }
    group.eachAppend((_stream, _records, done) => this.#tell(done, null));
    this.#settleTransactions(group, reply);
    if (this.#inFlight === undefined && this.#queue.length === 0)
      for (const wake of this.#idle.splice(0)) wake();
  }

  #settleTransactions(group: Group, reply: GroupReply): void {
    group.transactions.forEach((pending, index) => {
      const answer = reply.answers[index];
      if (answer === undefined || !answer.ok) {
        pending.reject(asError(answer?.error ?? { code: 'INTERNAL', message: 'store: no answer' }));
        return;
      }
      for (const { consumer, stream, seq } of pending.transaction.cursors ?? []) {
        const cursor = this.#cursors.get(cursorKey(consumer, stream));
        if (cursor !== undefined) this.#cursors.set(cursorKey(consumer, stream), { ...cursor, seq });
      }
      pending.resolve(answer.results);
    });
  }

  /** Nothing of the group was stored: what can still be stored is numbered anew and comes again. */
  #retry(group: Group, reply: GroupReply): void {
    const groups = [group, ...this.#queue];
    this.#queue = [];
    for (const one of groups) one.abandon();
    for (const stream of this.#streams.values()) stream.rewind();
    for (const one of groups) this.outstandingBytes -= one.bytes;
    const failure = reply.error === undefined ? undefined : asError(reply.error);
    for (const one of groups) {
      one.eachAppend((stream, records, done) => {
        if (one === group && failure !== undefined) this.#tell(done, failure);
        else this.append(stream, records, done);
      });
      one.transactions.forEach((pending, index) => {
        const answer = one === group ? reply.answers[index] : undefined;
        if (answer !== undefined && !answer.ok) pending.reject(asError(answer.error));
        else if (one === group && failure !== undefined) pending.reject(failure);
        else this.#place(pending);
      });
    }
    this.#dispatch();
  }

  #tell(done: (error: Error | null) => void, error: Error | null): void {
    try {
      done(error);
    } catch (thrown) {
      this.#report(thrown);
    }
  }

  #report(error: unknown): void {
    this.#log.error({ error }, 'a listener threw; the records are committed all the same');
  }

  #takeFigures(reply: Extract<Reply, { kind: 'figures' }>): void {
    this.#fileBytes = reply.fileBytes;
    for (const figures of reply.streams) this.#byId.get(figures.id)?.setFigures(figures);
    for (const { consumer, stream, expired } of reply.expired) {
      const cursor = this.#cursors.get(cursorKey(consumer, stream));
      if (cursor !== undefined) cursor.expired += expired;
      this.#parts.alarms.raise({
        kind: 'journal-expired',
        severity: 'warning',
        message: `store: ${expired} records of ${stream} were given up before ${consumer} had them`,
        fix: 'Bring the consumer back, or raise journal.maxBytes and journal.maxAge of the stream.',
        detail: { stream, consumer, expired },
      });
    }
  }

  #load(state: LoadedState): void {
    this.#byId.clear();
    this.#dormant.clear();
    this.#cursors.clear();
    this.#tail.clear();
    for (const loaded of state.streams) {
      this.#dormant.set(loaded.name, loaded);
      this.#nextStreamId = Math.max(this.#nextStreamId, loaded.id + 1);
    }
    for (const cursor of state.cursors) {
      this.#cursors.set(cursorKey(cursor.consumer, cursor.stream), { ...cursor });
    }
    for (const stream of this.#streams.values()) this.#adopt(stream);
    this.#link?.sendTerms([...this.#streams.values()].map((stream) => stream.terms));
    this.#damagedRecords = state.damagedRecords;
    this.#fileBytes = state.fileBytes;
    this.#quarantined = state.quarantined;
  }

  /** Joins a stream that was opened with what the file holds of it. */
  #adopt(stream: Stream<unknown>): void {
    const loaded = this.#dormant.get(stream.name);
    this.#dormant.delete(stream.name);
    stream.id = loaded?.id ?? this.#nextStreamId++;
    if (loaded !== undefined) stream.load(loaded);
    this.#byId.set(stream.id, stream);
  }

  #maintain(): void {
    const { clock } = this.#parts;
    this.#cancelMaintenance = clock.after(MAINTENANCE_MS, () => {
      this.#open()
        .call<'maintain'>({ call: 'maintain', now: clock.now(), synced: clock.synced() })
        .catch((error: unknown) => this.#log.warn({ error }, 'retention failed; trying again in 10 s'))
        .finally(() => {
          if (this.#state === 'running') this.#maintain();
        });
    });
  }

  #drained(): Promise<void> {
    if (this.#inFlight === undefined && this.#queue.length === 0) return Promise.resolve();
    this.#schedule();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #lost(error: Error): void {
    this.#log.error({ error }, 'the writer thread is lost; the gateway must be restarted');
    this.#state = 'stopped';
    this.#link = undefined;
    const groups = [...(this.#inFlight === undefined ? [] : [this.#inFlight]), ...this.#queue];
    this.#inFlight = undefined;
    this.#queue = [];
    for (const group of groups) {
      group.eachAppend((_stream, _records, done) => this.#tell(done, error));
      for (const pending of group.transactions) pending.reject(error);
    }
  }
}

function cursorKey(consumer: string, stream: string): string {
  return `${consumer}\n${stream}`;
}

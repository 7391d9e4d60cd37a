import { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { type Group, sizeOf } from './group.ts';
import { GroupQueue, type QueueHost, stopping } from './group-queue.ts';
import type { CallAnswers, GroupReply, GroupRequest, LoadedState, LoadedStream, Reply } from './protocol.ts';
import { StoreAlarms } from './store-alarms.ts';
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
import { WriterLink } from './writer-link.ts';

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
/** A full disk is looked at again after 1 s, then 2, 4, at last every 5 s; a lost writer thread likewise. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 5000;

/** The store: see types.ts for its contract and README.md for what it promises. Touches nothing before `start`. */
export function openStore(parts: StoreParts): Store {
  return new MainStore(parts);
}

class MainStore implements Store, StreamHost, QueueHost {
  readonly highWater = HIGH_WATER_BYTES;
  full = false;
  epoch = 0;
  readonly #parts: StoreParts;
  readonly #log: Log;
  readonly #alarms: StoreAlarms;
  readonly #streams = new Map<string, Stream<unknown>>();
  readonly #byId = new Map<number, Stream<unknown>>();
  /** Streams in the file that nobody has opened yet. */
  readonly #dormant = new Map<string, LoadedStream>();
  readonly #cursors = new Map<string, CursorPosition & { expired: number }>();
  readonly #tail: TailCache;
  readonly #queue: GroupQueue;
  #link: WriterLink | undefined;
  #state: 'new' | 'starting' | 'running' | 'stopping' | 'stopped' = 'new';
  #base = 0;
  #nextStreamId = 1;
  #timers: { maintenance?: () => void; probe?: () => void; restart?: () => void } = {};
  #maintaining = false;
  #maintenanceDue = false;
  #commits = 0;
  #committedRecords = 0;
  #lastCommitMs = 0;
  #damagedRecords = 0;
  #fileBytes = 0;
  #quarantined: readonly string[] = [];

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#log = parts.log.child('store');
    this.#alarms = new StoreAlarms(parts.alarms);
    this.#tail = new TailCache(parts.tailBytes ?? TAIL_BYTES);
    this.#queue = new GroupQueue(this);
  }

  get outstandingBytes(): number {
    return this.#queue.outstandingBytes;
  }

  get health(): StoreHealth {
    return {
      full: this.full,
      commits: this.#commits,
      lastCommitMs: this.#lastCommitMs,
      recordsPerCommit: this.#commits === 0 ? 0 : this.#committedRecords / this.#commits,
      damagedRecords: this.#damagedRecords,
      quarantined: this.#quarantined,
      fileBytes: this.#fileBytes,
    };
  }

  get stopping(): boolean {
    return this.#state !== 'running';
  }

  now(): number {
    return this.#parts.clock.now();
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'new' && this.#state !== 'stopped') return;
    signal.throwIfAborted();
    this.#state = 'starting';
    const link = this.#connect();
    const abort = () => void link.terminate();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const state = await link.ready();
      signal.throwIfAborted();
      this.#link = link;
      this.#load(state);
      this.#queue.lastGroup = state.lastGroup;
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
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    for (const cancel of Object.values(this.#timers)) cancel();
    this.#timers = {};
    if (this.#link === undefined) {
      this.#queue.fail(stopping());
    } else {
      await this.#queue.drained();
      this.#queue.saveDevices();
      await this.#queue.drained();
      await this.#link?.close();
    }
    this.#link = undefined;
    this.#state = 'stopped';
  }

  stream<T>(name: string, options: StreamOptions<T>): JournalStream<T> {
    const known = this.#streams.get(name);
    if (known !== undefined) return known as unknown as JournalStream<T>;
    const stream = new Stream<T>(name, options, this) as unknown as Stream<unknown>;
    this.#streams.set(name, stream);
    if (this.#state === 'running') {
      this.#adopt(stream);
      this.#link?.sendTerms([stream.terms]);
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
    const target = this.streamOf(stream);
    target.followed = true;
    const key = cursorKey(name, stream);
    const known = this.#cursors.get(key);
    if (known !== undefined) return { consumer: name, stream, seq: known.seq };
    const position = { consumer: name, stream, seq: at === 'oldest' ? target.tail - 1 : target.head };
    this.#cursors.set(key, { ...position, expired: 0 });
    this.#enqueue({}, [position], undefined).catch((error: unknown) => {
      this.#log.error({ error, consumer: name, stream }, 'could not register a consumer; it is not counted');
    });
    return position;
  }

  async retireConsumers(keep: ReadonlySet<string>): Promise<void> {
    await this.#enqueue({}, [], keep);
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
    this.#queue.append(stream, records, done);
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
    stream: Stream<unknown>,
    after: number,
    limit: number,
    bytes: number,
  ): Promise<CallAnswers['read']> {
    const answer = await this.#open().call<'read'>({
      call: 'read',
      streamId: stream.id,
      after,
      limit,
      bytes,
    });
    if (answer.missing > 0) this.#noteDamage(stream, after + 1, answer.missing);
    return answer;
  }

  damaged(stream: Stream<unknown>, seqs: readonly number[]): void {
    this.#noteDamage(stream, seqs[0] ?? 0, seqs.length);
    this.#open()
      .call<'damaged'>({ call: 'damaged', streamId: stream.id, seqs })
      .catch((error: unknown) =>
        this.#log.error({ error }, 'could not count damaged records; the next read will'),
      );
  }

  send(request: GroupRequest): boolean {
    this.#link?.sendGroup(request);
    return this.#link !== undefined;
  }

  refusal(stream: Stream<unknown>): GatewayError | undefined {
    if (this.#state === 'stopping') return stopping();
    if (this.#state !== 'running') return new GatewayError('STORE_CLOSED', 'store: it is not running');
    if (stream.full) {
      return new GatewayError('STORE_FULL', `store: ${stream.name} holds all it may and is still needed`, {
        expected: `at most ${stream.options.maxBytes} bytes`,
      });
    }
    if (this.full && stream.options.whenFull === 'reject-new') {
      return new GatewayError('STORE_FULL', `store: the disk is full, and ${stream.name} gives nothing up`);
    }
    if (this.#queue.outstandingBytes > 4 * HIGH_WATER_BYTES) {
      return new GatewayError('STORE_BUSY', 'store: too much is waiting for the disk', {
        received: this.#queue.outstandingBytes,
      });
    }
    return undefined;
  }

  streamOf(name: string): Stream<unknown> {
    const stream = this.#streams.get(name);
    if (stream === undefined) {
      throw new GatewayError('STORE_STREAM', `store: nobody opened the stream ${name}`, { received: name });
    }
    return stream;
  }

  openStreams(): Iterable<Stream<unknown>> {
    return this.#streams.values();
  }

  onCommitted(group: Group, reply: GroupReply): void {
    this.#commits++;
    this.#committedRecords += group.records;
    this.#lastCommitMs = reply.ms;
    for (const { stream, records, out } of group.segments()) {
      if (records.length === 0) continue;
      stream.committed(records);
      if (stream.followed) this.#tail.add(stream.tailRecords, records, out.length);
    }
    group.transactions.forEach(({ transaction, register }, index) => {
      if (reply.answers[index]?.ok !== true) return;
      for (const position of register) {
        const key = cursorKey(position.consumer, position.stream);
        if (!this.#cursors.has(key)) this.#cursors.set(key, { ...position, expired: 0 });
      }
      for (const { consumer, stream, seq } of transaction.cursors ?? []) {
        const cursor = this.#cursors.get(cursorKey(consumer, stream));
        if (cursor !== undefined) this.#cursors.set(cursorKey(consumer, stream), { ...cursor, seq });
      }
    });
    if (reply.full) this.#diskFull('little is left');
  }

  onDiskFull(error: GatewayError): void {
    this.#diskFull(error.message);
  }

  report(error: unknown): void {
    this.#log.error({ error }, 'a listener threw; what was committed stays so');
  }

  #connect(): WriterLink {
    const { dir, durability, modules, clock } = this.#parts;
    return new WriterLink(
      { dir, durability, modules: modules.map(String), now: clock.now() },
      {
        onGroup: (reply) => this.#queue.finish(reply),
        onFigures: (reply) => this.#takeFigures(reply),
        onRebuilt: (state) => this.#load(state),
        onLost: (error) => this.#lost(error),
      },
    );
  }

  #open(): WriterLink {
    if (this.#link !== undefined) return this.#link;
    throw new GatewayError('STORE_CLOSED', 'store: it is not running');
  }

  #enqueue(
    transaction: Transaction,
    register: readonly CursorPosition[],
    keep: ReadonlySet<string> | undefined,
  ): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'running') {
        reject(
          this.#state === 'stopping'
            ? stopping()
            : new GatewayError('STORE_CLOSED', 'store: it is not running'),
        );
        return;
      }
      this.#queue.commit({ transaction, register, keep, bytes: sizeOf(transaction), resolve, reject });
    });
  }

  #noteDamage(stream: Stream<unknown>, firstSeq: number, records: number): void {
    this.#damagedRecords += records;
    this.#alarms.damaged(stream.name, firstSeq, records);
  }

  #takeFigures(reply: Extract<Reply, { kind: 'figures' }>): void {
    this.#fileBytes = reply.fileBytes;
    let freed = false;
    for (const figures of reply.streams) {
      const stream = this.#byId.get(figures.id);
      if (stream === undefined) continue;
      if (stream.full && !figures.full) freed = true;
      stream.setFigures(figures);
      this.#alarms.streamFull(stream.name, figures.full);
    }
    for (const expired of reply.expired) {
      const cursor = this.#cursors.get(cursorKey(expired.consumer, expired.stream));
      if (cursor !== undefined) cursor.expired += expired.expired;
      this.#alarms.expired(expired, this.#parts.clock.monotonic());
    }
    if (freed) this.#queue.unpark();
  }

  /** Takes over what the database holds: at the start, and whenever it had to be opened anew. */
  #load(state: LoadedState): void {
    this.#queue.abandonNumbers();
    this.epoch = state.epoch;
    this.#base = state.base;
    this.#byId.clear();
    this.#dormant.clear();
    this.#cursors.clear();
    this.#tail.clear();
    this.#nextStreamId = 1;
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
    if (state.rebuilt !== undefined) {
      this.#log.error(
        { ...state.rebuilt },
        'the database was damaged; going on with what could be read of it',
      );
      this.#alarms.rebuilt(state.rebuilt);
    }
  }

  /** Joins a stream that was opened with what the file holds of it. */
  #adopt(stream: Stream<unknown>): void {
    const loaded = this.#dormant.get(stream.name);
    this.#dormant.delete(stream.name);
    stream.id = loaded?.id ?? this.#nextStreamId++;
    stream.load(loaded ?? emptyStream(stream.id, stream.name, this.#base));
    this.#byId.set(stream.id, stream);
  }

  #maintain(): void {
    const { clock } = this.#parts;
    this.#timers.maintenance = clock.after(MAINTENANCE_MS, () => {
      this.#maintain();
      this.#alarms.review(clock.monotonic());
      this.#maintainSteps().catch((error: unknown) =>
        this.#log.warn({ error }, 'retention failed; trying again in 10 s'),
      );
    });
  }

  /** In short steps, so that commits come in between. */
  async #maintainSteps(): Promise<void> {
    this.#maintenanceDue = true;
    if (this.#maintaining) return;
    this.#maintaining = true;
    const { clock } = this.#parts;
    try {
      while (this.#maintenanceDue && this.#state === 'running' && this.#link !== undefined) {
        this.#maintenanceDue = false;
        const more = await this.#link.call<'maintain'>({
          call: 'maintain',
          now: clock.now(),
          synced: clock.synced(),
        });
        if (more) this.#maintenanceDue = true;
      }
    } finally {
      this.#maintaining = false;
    }
  }

  #diskFull(reason: string): void {
    if (this.full) return;
    this.full = true;
    this.#log.error({ reason }, 'the disk is full; looking again every few seconds');
    this.#alarms.diskFull(reason);
    this.#probe(FIRST_RETRY_MS);
  }

  #probe(delay: number): void {
    this.#timers.probe = this.#parts.clock.after(delay, async () => {
      const free = (await this.#link?.call<'probe'>({ call: 'probe' }).catch(() => false)) ?? false;
      if (this.#state !== 'running') return;
      if (free) {
        this.full = false;
        this.#log.info({}, 'the disk has space again; everything is accepted');
        this.#alarms.diskFree();
      } else {
        this.#probe(Math.min(2 * delay, LAST_RETRY_MS));
      }
      this.#queue.unpark();
    });
  }

  #lost(error: Error): void {
    this.#link = undefined;
    if (this.#state !== 'running') {
      this.#queue.fail(stopping());
      return;
    }
    this.#log.error({ error }, 'lost the writer thread; starting a new one in 1 s');
    this.#restart(FIRST_RETRY_MS);
  }

  #restart(delay: number): void {
    this.#timers.restart = this.#parts.clock.after(delay, async () => {
      const link = this.#connect();
      try {
        const state = await link.ready();
        if (this.#state !== 'running') {
          await link.close();
          return;
        }
        const committed = state.lastGroup === this.#queue.lastGroup;
        this.#link = link;
        this.#load(state);
        this.#queue.resume(committed);
        this.#log.info({}, 'the writer thread is back; nothing that was acknowledged is lost');
      } catch (error) {
        this.#log.error({ error }, 'the writer thread could not be started; trying again');
        await link.terminate();
        if (this.#state === 'running') this.#restart(Math.min(2 * delay, LAST_RETRY_MS));
      }
    });
  }
}

function cursorKey(consumer: string, stream: string): string {
  return `${consumer}\n${stream}`;
}

function emptyStream(id: number, name: string, base: number): LoadedStream {
  const figures = { id, head: base, tail: base + 1, records: 0, bytes: 0, full: false };
  return { ...figures, name, lastArrival: 0, devicesAsOf: base, devices: [] };
}

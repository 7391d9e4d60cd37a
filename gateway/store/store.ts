import { GatewayError } from '../errors.ts';
import type { Log } from '../ports/log.ts';
import { Catalog } from './catalog.ts';
import { StoreCounters } from './counters.ts';
import { type Group, sizeOf } from './group.ts';
import { GroupQueue, type QueueHost } from './group-queue.ts';
import type { StoreParts } from './parts.ts';
import type { CallAnswers, Changes, GroupReply, GroupRequest, LoadedState } from './protocol.ts';
import { readerKey } from './readers.ts';
import { HIGH_WATER_BYTES, notRunning, refusalOf, type StoreState, stopping } from './refusal.ts';
import { StoreAlarms } from './store-alarms.ts';
import { Stream, type StreamHost } from './stream.ts';
import { TailCache } from './tail.ts';
import type {
  AuditRow,
  CursorPosition,
  JournalStream,
  ModuleOp,
  NewRecord,
  Reader,
  Store,
  StoreHealth,
  StreamOptions,
  Transaction,
} from './types.ts';
import { Maintenance, Retry } from './upkeep.ts';
import { WriterLink } from './writer-link.ts';

export type { StoreParts } from './parts.ts';

const TAIL_BYTES = 12 * 1024 * 1024;

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
  readonly #catalog = new Catalog();
  readonly #counters = new StoreCounters();
  readonly #tail: TailCache;
  readonly #queue: GroupQueue;
  readonly #maintenance: Maintenance;
  readonly #probe: Retry;
  readonly #restart: Retry;
  #link: WriterLink | undefined;
  #state: StoreState = 'new';

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#log = parts.log.child('store');
    this.#alarms = new StoreAlarms(parts.alarms);
    this.#tail = new TailCache(parts.tailBytes ?? TAIL_BYTES);
    this.#queue = new GroupQueue(this, parts.gatherMs ?? 0);
    this.#probe = new Retry(parts.clock, () => this.#probeDisk());
    this.#restart = new Retry(parts.clock, () => this.#reconnect());
    this.#maintenance = new Maintenance(
      parts.clock,
      () => this.#maintain(),
      (error) => this.#log.warn({ error }, 'retention failed; trying again in 10 s'),
    );
  }

  get outstandingBytes(): number {
    return this.#queue.outstandingBytes;
  }

  get health(): StoreHealth {
    const { busy } = this.#queue;
    return this.#counters.health(this.full, busy ? this.#parts.clock.monotonic() : undefined);
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
      this.#maintenance.start();
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
    this.#maintenance.stop();
    this.#probe.stop();
    this.#restart.stop();
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
    const known = this.#catalog.get(name);
    if (known !== undefined) return known as unknown as JournalStream<T>;
    const stream = new Stream<T>(name, options, this) as unknown as Stream<unknown>;
    this.#catalog.add(stream);
    if (this.#state === 'running') {
      this.#catalog.adopt(stream);
      this.#link?.sendTerms([stream.terms]);
    }
    return stream as unknown as JournalStream<T>;
  }

  streams(): readonly string[] {
    return this.#catalog.names();
  }

  consumer(name: string, stream: string, at: 'oldest' | 'newest'): CursorPosition {
    if (this.#state !== 'running') {
      throw new GatewayError('STORE_CLOSED', `store: ${name} registered before the store was started`);
    }
    const target = this.streamOf(stream);
    target.followed = true;
    const known = this.#catalog.cursor(name, stream);
    if (known !== undefined) return { consumer: name, stream, seq: known.seq };
    const position = { consumer: name, stream, seq: at === 'oldest' ? target.tail - 1 : target.head };
    this.#catalog.addCursor(position);
    this.#enqueue({}, [position], undefined).catch((error: unknown) => {
      this.#log.error({ error, consumer: name, stream }, 'could not register a consumer; it is not counted');
    });
    return position;
  }

  async retireConsumers(readers: readonly Reader[]): Promise<void> {
    const keep = new Set(readers.map(readerKey));
    await this.#enqueue({}, [], keep);
    this.#catalog.retire(keep);
  }

  cursors(): readonly (CursorPosition & { readonly expired: number })[] {
    return this.#catalog.cursors();
  }

  append(
    stream: Stream<unknown>,
    records: readonly NewRecord<unknown>[],
    done: (error: Error | null) => void,
    ops: readonly ModuleOp[],
  ): void {
    if (ops.length === 0) this.#queue.append(stream, records, done);
    else this.#queue.appendWith(stream, records, ops, done);
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

  get connected(): boolean {
    return this.#link !== undefined;
  }

  send(request: GroupRequest): void {
    this.#counters.sentAt = this.#parts.clock.monotonic();
    this.#open().sendGroup(request);
  }

  refusal(stream: Stream<unknown>): GatewayError | undefined {
    return refusalOf(this.#state, stream, this.full, this.#queue.outstandingBytes);
  }

  streamOf(name: string): Stream<unknown> {
    const stream = this.#catalog.get(name);
    if (stream === undefined) {
      throw new GatewayError('STORE_STREAM', `store: nobody opened the stream ${name}`, { received: name });
    }
    return stream;
  }

  openStreams(): Iterable<Stream<unknown>> {
    return this.#catalog.open();
  }

  onCommitted(group: Group, reply: GroupReply): void {
    this.#counters.committed(group.records, reply.ms);
    for (const { stream, records, out } of group.segments()) {
      if (records.length === 0) continue;
      stream.committed(records);
      if (stream.followed) this.#tail.add(stream.tailRecords, records, out.length);
    }
    this.#catalog.moveCursors(group, reply, (stream, seq) => this.#tail.passed(stream.tailRecords, seq));
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
        onChanges: (changes) => this.#takeChanges(changes),
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
      const refusal = notRunning(this.#state);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const bytes = sizeOf(transaction);
      this.#queue.commit({ transaction, register, keep, patient: true, bytes, resolve, reject });
    });
  }

  #noteDamage(stream: Stream<unknown>, firstSeq: number, records: number): void {
    this.#counters.damagedRecords += records;
    this.#alarms.damaged(stream.name, firstSeq, records);
  }

  #takeChanges(changes: Changes): void {
    this.#counters.fileBytes = changes.fileBytes;
    let freed = false;
    for (const figures of changes.streams) {
      const updated = this.#catalog.update(figures);
      if (updated === undefined) continue;
      freed ||= updated.freed;
      this.#alarms.streamFull(updated.stream.name, figures.full);
    }
    for (const expired of changes.expired) {
      this.#catalog.addExpired(expired.consumer, expired.stream, expired.expired);
      this.#alarms.expired(expired, this.#parts.clock.monotonic());
    }
    if (freed) this.#queue.unpark();
  }

  /** Takes over what the database holds: at the start, and whenever it had to be opened anew. */
  #load(state: LoadedState): void {
    this.#queue.abandonNumbers();
    this.epoch = state.epoch;
    this.#tail.clear();
    this.#catalog.load(state);
    this.#link?.sendTerms(this.#catalog.terms());
    this.#queue.renumber();
    this.#counters.load(state);
    if (state.rebuilt !== undefined) {
      this.#log.error(
        { ...state.rebuilt },
        'the database was damaged; going on with what could be read of it',
      );
      this.#alarms.rebuilt(state.rebuilt);
    }
    // What was committed meanwhile was not announced.
    for (const stream of this.#catalog.open()) stream.notify((error) => this.report(error));
  }

  async #maintain(): Promise<boolean> {
    const { clock } = this.#parts;
    this.#alarms.review(clock.monotonic());
    if (this.#link === undefined) return false;
    return await this.#link.call<'maintain'>({ call: 'maintain', now: clock.now(), synced: clock.synced() });
  }

  #diskFull(reason: string): void {
    if (!this.full) this.#log.error({ reason }, 'the disk is full; looking again every few seconds');
    this.full = true;
    this.#alarms.diskFull(reason);
    this.#probe.begin();
  }

  async #probeDisk(): Promise<boolean> {
    const free = (await this.#link?.call<'probe'>({ call: 'probe' }).catch(() => false)) ?? false;
    if (free) {
      this.full = false;
      this.#log.info({}, 'the disk has space again; everything is accepted');
      this.#alarms.diskFree();
    }
    this.#queue.unpark();
    return free;
  }

  #lost(error: Error): void {
    this.#link = undefined;
    if (this.#state !== 'running') {
      this.#queue.fail(stopping());
      return;
    }
    this.#log.error({ error }, 'lost the writer thread; starting a new one in 1 s');
    this.#restart.begin();
  }

  async #reconnect(): Promise<boolean> {
    const link = this.#connect();
    try {
      const state = await link.ready();
      if (this.#state !== 'running') {
        await link.close();
        return true;
      }
      const committed = state.lastGroup === this.#queue.lastGroup;
      this.#link = link;
      this.#load(state);
      this.#queue.resume(committed);
      this.#log.info({}, 'the writer thread is back; nothing that was acknowledged is lost');
      return true;
    } catch (error) {
      this.#log.error({ error }, 'the writer thread could not be started; trying again');
      await link.terminate();
      return false;
    }
  }
}

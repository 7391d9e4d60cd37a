import { asGatewayError, GatewayError } from '../errors.ts';
import { GrowableBytes } from './bytes.ts';
import { Gather } from './gather.ts';
import { Group, type PendingTransaction, sizeOf } from './group.ts';
import type { DeviceRow, GroupReply, GroupRequest, TransactionAnswer } from './protocol.ts';
import { stopping } from './refusal.ts';
import type { Stream } from './stream.ts';
import type { ModuleOp, NewRecord } from './types.ts';
import { asError } from './writer-link.ts';

type Done = (error: Error | null) => void;

/** Device counters are saved in rounds: one round per this many records, so many rows per group. */
const DEVICES_EVERY = 20_000;
const DEVICES_PER_GROUP = 500;
/** Ids of groups start over here: the database keeps the last one in 31 bits. */
const GROUP_IDS = 2 ** 31;
/** A group that takes the writer thread down so often is refused. */
const MAX_LOSSES = 2;

/** What the queue needs of the store. */
export interface QueueHost {
  /** Whether there is a writer thread to send to. */
  readonly connected: boolean;
  send(request: GroupRequest): void;
  /** Why nothing can be appended to a stream at present. */
  refusal(stream: Stream<unknown>): GatewayError | undefined;
  streamOf(name: string): Stream<unknown>;
  openStreams(): Iterable<Stream<unknown>>;
  /** Whether the disk counts as full, so that the writer may give up old records. */
  readonly full: boolean;
  /** Which (re)opening of the database the numbers in the queue belong to. */
  readonly epoch: number;
  readonly stopping: boolean;
  /** After a commit, before anybody is told. */
  onCommitted(group: Group, reply: GroupReply): void;
  onDiskFull(error: GatewayError): void;
  report(error: unknown): void;
}

/**
 * Self-clocked group commit: one group is with the writer thread, the next one forms meanwhile. When idle, a group
 * closes at the end of the turn of the event loop in which it began; small ones that come often wait, see {@link Gather}.
 */
export class GroupQueue {
  outstandingBytes = 0;
  lastGroup = 0;
  readonly #host: QueueHost;
  #queue: Group[] = [];
  #inFlight: Group | undefined;
  /** Transactions that wait for space. */
  #parked: PendingTransaction[] = [];
  #memory: GrowableBytes | undefined;
  #devices: DeviceRow[] = [];
  #devicesAsOf: { streamId: number; seq: number }[] = [];
  #scheduled = false;
  readonly #gather: Gather;
  /** A matter of the disk, like `setImmediate`: in real time, whatever clock the gateway runs by. */
  #waiting: NodeJS.Timeout | undefined;
  #whenIdle: (() => void)[] = [];

  /** @param gatherMs rhythm of small commits that come often; 0: each goes at once */
  constructor(host: QueueHost, gatherMs: number) {
    this.#host = host;
    this.#gather = new Gather(gatherMs);
  }

  /** Whether a group is with the writer thread. */
  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  append(stream: Stream<unknown>, records: readonly NewRecord<unknown>[], done: Done): void {
    const refusal = this.#host.refusal(stream);
    if (refusal !== undefined) {
      this.#tell(done, refusal);
      return;
    }
    try {
      const group = this.#forming(records.length);
      const before = group.bytes;
      group.append(stream, records, done);
      this.outstandingBytes += group.bytes - before;
    } catch (error) {
      this.#tell(done, asGatewayError(error));
      return;
    }
    this.#schedule();
  }

  /** An append that is one transaction with `ops`; refused when an append would be. */
  appendWith(
    stream: Stream<unknown>,
    records: readonly NewRecord<unknown>[],
    ops: readonly ModuleOp[],
    done: Done,
  ): void {
    const transaction = { appends: [{ stream: stream.name, records }], ops };
    this.commit({
      transaction,
      register: [],
      keep: undefined,
      patient: false,
      bytes: sizeOf(transaction),
      resolve: () => this.#tell(done, null),
      reject: (error) => this.#tell(done, error),
    });
  }

  commit(pending: PendingTransaction): void {
    this.#place(pending);
    this.#schedule();
  }

  /** Transactions that waited for space try again. */
  unpark(): void {
    if (this.#parked.length === 0) return;
    for (const pending of this.#parked.splice(0)) this.#place(pending);
    this.#schedule();
  }

  /** Resolves when nothing waits any more; transactions that wait for space are told that the store stops. */
  async drained(): Promise<void> {
    for (const pending of this.#parked.splice(0)) pending.reject(stopping());
    if (this.#inFlight === undefined && this.#queue.length === 0) return;
    this.#goNow();
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Sends what is left to save of the device counters. */
  saveDevices(): void {
    this.#collectDevices(1, Number.POSITIVE_INFINITY);
    if (this.#devicesAsOf.length === 0) return;
    this.#queue.push(new Group());
    this.#dispatch();
  }

  /** The writer thread answered. */
  finish(reply: GroupReply): void {
    const group = this.#inFlight;
    if (group === undefined) return;
    this.#inFlight = undefined;
    this.#memory = new GrowableBytes(reply.buffer);
    if (reply.outcome === 'committed') this.#committed(group, reply);
    else this.#retry(group, reply);
    this.#wakeIfIdle();
  }

  /** There is a new writer thread; `committed` says whether the group that the old one had made it to the disk. */
  resume(committed: boolean): void {
    const group = this.#inFlight;
    if (group !== undefined) {
      group.losses++;
      const outcome = committed ? 'committed' : group.losses < MAX_LOSSES ? 'again' : 'failed';
      const answers: TransactionAnswer[] = group.transactions.map(({ transaction }) => ({
        ok: true,
        // What the operations answered is lost with the thread; that they were committed is not.
        results: (transaction.ops ?? []).map(() => undefined),
      }));
      const error = { code: 'STORE_IO', message: 'store: the writer thread died of this group, twice' };
      const buffer = new ArrayBuffer(65_536);
      const rest = { changes: undefined, full: false, ms: 0 };
      this.finish({ kind: 'group', id: this.lastGroup, buffer, outcome, answers, error, ...rest });
    }
    this.#schedule();
  }

  /** Forgets all numbering; to be called before the streams are loaded again. */
  abandonNumbers(): void {
    this.#inFlight?.abandon();
    for (const group of this.#queue) group.abandon();
    this.#devices = [];
    this.#devicesAsOf = [];
  }

  /** What waits gets new numbers; to be called after the streams were loaded again. */
  renumber(): void {
    const groups = this.#queue;
    this.#queue = [];
    for (const group of groups) {
      this.outstandingBytes -= group.bytes;
      group.eachAppend((stream, records, done) => this.append(stream, records, done));
      for (const pending of group.transactions) this.#place(pending);
    }
  }

  /** Everything that waits fails. */
  fail(error: GatewayError): void {
    const groups = this.#inFlight === undefined ? this.#queue : [this.#inFlight, ...this.#queue];
    this.#inFlight = undefined;
    this.#queue = [];
    this.outstandingBytes = 0;
    for (const group of groups) {
      group.eachCaller((done) => this.#tell(done, error));
      for (const pending of group.transactions) pending.reject(error);
    }
    for (const pending of this.#parked.splice(0)) pending.reject(error);
    this.#wakeIfIdle();
  }

  #place(pending: PendingTransaction): void {
    try {
      if (!pending.patient) this.#mayAppend(pending);
      else if (this.#mustWait(pending)) {
        this.#parked.push(pending);
        return;
      }
      const records = (pending.transaction.appends ?? []).reduce((sum, one) => sum + one.records.length, 0);
      const group = this.#forming(records);
      const before = group.bytes;
      group.commit(pending, (name) => this.#host.streamOf(name));
      this.outstandingBytes += group.bytes - before;
    } catch (error) {
      pending.reject(asGatewayError(error));
    }
  }

  /** @throws GatewayError why nothing can be appended to one of its streams at present */
  #mayAppend({ transaction }: PendingTransaction): void {
    for (const { stream } of transaction.appends ?? []) {
      const refusal = this.#host.refusal(this.#host.streamOf(stream));
      if (refusal !== undefined) throw refusal;
    }
  }

  /** Its streams are full, or an earlier transaction of the same consumer waits already. */
  #mustWait(pending: PendingTransaction): boolean {
    const appends = pending.transaction.appends ?? [];
    if (appends.some(({ stream }) => this.#host.streamOf(stream).full)) return true;
    if (this.#parked.length === 0) return false;
    const consumers = consumersOf(pending);
    return this.#parked.some((waiting) => consumersOf(waiting).some((one) => consumers.includes(one)));
  }

  #forming(records: number): Group {
    const last = this.#queue[this.#queue.length - 1];
    if (last?.takes(records)) return last;
    const group = new Group();
    this.#queue.push(group);
    return group;
  }

  /** Lets everything that arrives in this turn of the event loop, or while the group gathers, go into one group. */
  #schedule(): void {
    const group = this.#queue[0];
    if (group === undefined || this.#inFlight !== undefined || this.#scheduled) return;
    const wait = this.#host.stopping ? 0 : this.#gather.wait(performance.now(), group.records, group.bytes);
    if (wait > 0) {
      this.#waiting ??= setTimeout(() => this.#goNow(), wait);
      return;
    }
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#goNow();
    });
  }

  /** After a commit: what has gathered meanwhile goes at once, unless it is little and should gather on. */
  #dispatchNext(): void {
    const group = this.#queue[0];
    if (group === undefined) return;
    if (this.#gather.wait(performance.now(), group.records, group.bytes) > 0) this.#schedule();
    else this.#goNow();
  }

  #goNow(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#dispatch();
  }

  #dispatch(): void {
    if (this.#inFlight !== undefined) return;
    const group = this.#queue[0];
    if (group === undefined || !this.#host.connected) return;
    this.#gather.spend(performance.now());
    const memory = this.#memory ?? new GrowableBytes(65_536);
    this.#memory = undefined;
    memory.truncate(0);
    const segments = group.seal(memory);
    this.#collectDevices(DEVICES_EVERY, DEVICES_PER_GROUP);
    this.lastGroup = (this.lastGroup + 1) % GROUP_IDS;
    this.#queue.shift();
    this.#inFlight = group;
    this.#host.send({
      kind: 'group',
      id: this.lastGroup,
      epoch: this.#host.epoch,
      buffer: memory.release(),
      segments,
      transactions: group.transactionParts(),
      devices: this.#devices,
      devicesAsOf: this.#devicesAsOf,
      makeRoom: this.#host.full,
    });
  }

  #collectDevices(every: number, most: number): void {
    for (const stream of this.#host.openStreams()) {
      const room = most - this.#devices.length;
      if (room <= 0) break;
      const asOf = stream.sweepDevices(every, room, this.#devices);
      if (asOf !== undefined) this.#devicesAsOf.push({ streamId: stream.id, seq: asOf });
    }
  }

  #committed(group: Group, reply: GroupReply): void {
    this.outstandingBytes -= group.bytes;
    this.#devices = [];
    this.#devicesAsOf = [];
    this.#host.onCommitted(group, reply);
    this.#dispatchNext();
    for (const { stream, records } of group.segments()) {
      if (records.length > 0) stream.notify((error) => this.#host.report(error));
    }
    group.eachCaller((done) => this.#tell(done, null));
    group.transactions.forEach((pending, index) => {
      const answer = reply.answers[index];
      if (answer?.ok === true) pending.resolve(answer.results);
      else pending.reject(asError(answer?.error ?? { code: 'INTERNAL', message: 'store: no answer' }));
    });
  }

  /** Nothing of the group was stored: what can still be stored is numbered anew and comes again. */
  #retry(failed: Group, reply: GroupReply): void {
    const groups = [failed, ...this.#queue];
    this.#queue = [];
    for (const group of groups) {
      group.abandon();
      this.outstandingBytes -= group.bytes;
    }
    for (const stream of this.#host.openStreams()) stream.rewind();
    const madeRoom = this.#host.full;
    const error = asError(reply.error ?? { code: 'STORE_IO', message: 'store: the disk refused' });
    if (reply.outcome === 'full') this.#host.onDiskFull(error);
    for (const group of groups) {
      const mine = group === failed ? reply : undefined;
      group.eachAppend((stream, records, done) => {
        if (mine?.outcome === 'failed') this.#tell(done, error);
        else if (mine?.outcome === 'full' && madeRoom) this.#tell(done, diskFull(error));
        else this.append(stream, records, done);
      });
      group.transactions.forEach((pending, index) => {
        this.#retryTransaction(pending, mine, index, error, madeRoom);
      });
      if (mine !== undefined) this.#isolate(failed.losses);
    }
    this.#dispatch();
  }

  /** What may have killed the writer thread stays by itself, so that nothing else is refused if it does so again. */
  #isolate(losses: number): void {
    if (losses === 0 || this.#queue.length === 0) return;
    for (const group of this.#queue) group.losses = losses;
    this.#queue.push(new Group());
  }

  #retryTransaction(
    pending: PendingTransaction,
    reply: GroupReply | undefined,
    index: number,
    error: GatewayError,
    madeRoom: boolean,
  ): void {
    const answer = reply?.outcome === 'split' ? reply.answers[index] : undefined;
    if (answer?.ok === false) pending.reject(asError(answer.error));
    else if (reply?.outcome === 'failed') pending.reject(error);
    else if (reply?.outcome === 'full' && this.#host.stopping) pending.reject(stopping());
    else if (reply?.outcome !== 'full' || !madeRoom) this.#place(pending);
    else if (pending.patient) this.#parked.push(pending);
    else pending.reject(diskFull(error));
  }

  #wakeIfIdle(): void {
    if (this.#inFlight !== undefined || this.#queue.length > 0) return;
    for (const wake of this.#whenIdle.splice(0)) wake();
  }

  #tell(done: Done, error: Error | null): void {
    try {
      done(error);
    } catch (thrown) {
      this.#host.report(thrown);
    }
  }
}

function consumersOf({ transaction }: PendingTransaction): string[] {
  return [...(transaction.cursors ?? []), ...(transaction.states ?? [])].map((one) => one.consumer);
}

function diskFull(cause: GatewayError): GatewayError {
  return new GatewayError('STORE_FULL', 'store: the disk is full and nothing may be given up', { cause });
}

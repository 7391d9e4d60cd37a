import { setImmediate } from 'node:timers/promises';
import { asGatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../store/types.ts';
import type { Reading } from '../stream/window.ts';
import { commitUnit, pause } from './commit.ts';
import { ConsumerState } from './consumer-state.ts';
import { type ConsumerEvent, precedes, reached } from './events.ts';
import { applyEvent, recover } from './recover.ts';
import type { RecordSource } from './source.ts';
import { emptyUnit, type Operator, type Stage, type Unit } from './unit.ts';
import { Wake } from './wake.ts';

/** Records taken at a time, and how long (ms) that goes on before other work on the thread gets its turn. */
const PULL = 512;
const TURN_MS = 5;
/** Units at the model or being committed: enough that a commit takes along as much as the doors put into it. */
const IN_FLIGHT = 4;
/** A unit is closed at this many jobs, or bytes of jobs. Units commit one after another, so small ones hold a late consumer back. */
const UNIT_JOBS = 2048;
const UNIT_BYTES = 4 * 1024 * 1024;
/** Bytes of waiting windows above which reading stops, or the oldest windows are shed. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Progress without output is committed after this many records or milliseconds. */
const FLUSH_RECORDS = 4096;
const FLUSH_MS = 200;
/** A snapshot is written when this much was read since the last, or eight times the size of the state. */
const SNAPSHOT_BYTES = 1024 * 1024;
const SNAPSHOT_FACTOR = 8;
const SNAPSHOT_EVENTS = 4096;
const RETRY_MS = 100;
/** Longest sleep while time may close something; a merge that waits longer for the clock goes on without it. */
const STALL_MS = 5_000;
/** Keys that one tick may close: bounds a unit. */
const TICK_KEYS = 1024;

export interface ConsumerOptions<Job> {
  /** Name of its cursors. */
  readonly name: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly source: RecordSource;
  readonly operator: (sink: (job: Job) => void) => Operator;
  readonly stage: Stage<Job>;
  /** Settings that shape the state; a snapshot made under others is discarded. */
  readonly fingerprint: string;
  readonly queue: { readonly max: number; readonly whenFull: 'wait' | 'drop-oldest' };
  /** Upper limit of bytes between snapshots: well inside what the source keeps. */
  readonly snapshotBytes: number;
  /** Called when the consumer cannot go on; it has stopped then. */
  readonly failed: (error: Error) => void;
}

/**
 * Takes a source's records after its cursors through an operator and a stage, and commits outputs, cursors, events
 * and state together. Delivery guarantee: each record has its effect exactly once, whatever is killed when.
 */
export class Consumer<Job> {
  readonly #options: ConsumerOptions<Job>;
  readonly #operator: Operator;
  readonly #state: ConsumerState;
  readonly #wake = new Wake();
  readonly #abort = new AbortController();
  #forming = emptyUnit<Job>();
  #ready: Unit<Job>[] = [];
  #queued = 0;
  #queuedBytes = 0;
  #inFlight = 0;
  /** Ends when the newest unit has been through its stage, and when it has been committed. */
  #staged: Promise<unknown> = Promise.resolve();
  #committed: Promise<unknown> = Promise.resolve();
  #bytesSince = 0;
  /** Logged events that precede records still to come. */
  #pending: ConsumerEvent[] = [];
  #broken = false;
  /** A snapshot is on its way to the store. */
  #snapshotting = false;
  #lastTick = 0;
  /** Time of a barrier whose records are being taken in. */
  #tick: number | undefined;
  /** What a merged source last waited for, and since when. */
  #wanted = Number.POSITIVE_INFINITY;
  #wantedSince = 0;
  #cancelTimer: (() => void) | undefined;
  #flushDue = false;
  #cancelFlush: (() => void) | undefined;
  #endMore: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ConsumerOptions<Job>) {
    this.#options = options;
    this.#operator = options.operator((job) => this.#push(job));
    this.#state = new ConsumerState(options.store, options.name, options.fingerprint);
  }

  /** Jobs waiting for the stage. */
  get queued(): number {
    return this.#queued;
  }

  get stateBytes(): number {
    return this.#operator.stateBytes + this.#options.stage.stateBytes;
  }

  get keys(): number {
    return this.#operator.keys;
  }

  /** Registers the cursors, rebuilds the state and begins. */
  async start(signal: AbortSignal): Promise<void> {
    const { name, store, source, stage, clock, log } = this.#options;
    const cursors = source.streams.map((stream) => store.consumer(name, stream, 'oldest').seq);
    const recovered = await recover({
      name,
      state: this.#state,
      operator: this.#operator,
      stage,
      source,
      cursors,
      clock,
      log,
      signal,
      store,
      takeJobs: () => this.#takeReplayed(),
    });
    this.#lastTick = recovered.lastTick;
    this.#pending = [...recovered.pending];
    this.#forming = emptyUnit();
    signal.throwIfAborted();
    this.#endMore = source.onMore(() => this.#wake.ring());
    this.#loop = this.#run().catch((error: unknown) => {
      this.#abort.abort();
      this.#options.failed(asGatewayError(error));
    });
  }

  /** Lets what is under way finish and saves the state. Idempotent. */
  async stop(): Promise<void> {
    if (this.#loop === undefined) return;
    this.#abort.abort();
    this.#wake.ring();
    await this.#loop;
    await this.#committed;
    this.#loop = undefined;
    this.#endMore?.();
    this.#cancelTimer?.();
    this.#cancelFlush?.();
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<void> {
    const { source, queue, stage, clock } = this.#options;
    const most = Math.min(queue.max, 2 * Math.max(UNIT_JOBS, stage.batch));
    const take = (input: number, record: Reading): void => this.#take(input, record);
    let turn = clock.monotonic();
    while (!this.#stopped) {
      if (queue.whenFull === 'wait' && (this.#queued >= most || this.#queuedBytes >= QUEUE_BYTES)) {
        await this.#wake.sleep();
        continue;
      }
      const pulled = source.pull(PULL, take);
      const records = typeof pulled === 'number' ? pulled : await pulled;
      this.#forming.records += records > 0 ? 1 : 0;
      if (queue.whenFull === 'drop-oldest') this.#shed(queue.max);
      if (this.#snapshotDue()) this.#seal(true);
      if (this.#forming.jobs.length >= UNIT_JOBS) this.#seal(false);
      this.#launch();
      if (records > 0) {
        if (records < PULL || clock.monotonic() - turn < TURN_MS) continue;
        await setImmediate();
        turn = clock.monotonic();
        continue;
      }
      if (await this.#passTime()) continue;
      await this.#wake.sleep();
    }
    await this.#committed;
    if (this.#queued > 0 || this.#broken) return;
    this.#seal(true);
    while (this.#ready.length > 0) {
      this.#launch();
      await this.#committed;
    }
  }

  #take(input: number, record: Reading): void {
    const forming = this.#forming;
    forming.records++;
    const first = record.value.values[0];
    this.#bytesSince += 40 + (ArrayBuffer.isView(first) ? first.byteLength : 0);
    while (this.#pending.length > 0 && precedes(this.#pending[0]!, input, record.seq)) {
      applyEvent(this.#operator, this.#pending.shift()!);
    }
    this.#operator.feed(input, record);
    if (forming.jobs.length >= UNIT_JOBS || forming.bytes >= UNIT_BYTES) this.#seal(false);
  }

  #applyReached(): void {
    const { position } = this.#options.source;
    while (this.#pending.length > 0 && reached(position, this.#pending[0]!.position)) {
      applyEvent(this.#operator, this.#pending.shift()!);
    }
  }

  #push(job: Job): void {
    const size = this.#options.stage.size(job);
    this.#forming.jobs.push(job);
    this.#forming.bytes += size;
    this.#queued++;
    this.#queuedBytes += size;
  }

  /** Closes windows that time alone closes. Answers whether there is more to do at once. */
  async #passTime(): Promise<boolean> {
    const { name, source, clock, store, log } = this.#options;
    if (this.#tick !== undefined && source.settled) {
      const time = this.#tick;
      this.#applyReached();
      const keys = this.#operator.advance(time, TICK_KEYS);
      if (keys > 0) {
        this.#lastTick = time;
        this.#forming.events.push({ kind: 'tick', position: [...source.position], time, keys });
        this.#seal(false);
        this.#launch();
      }
      if (keys < TICK_KEYS) this.#tick = undefined;
      return true;
    }
    const wanted = source.nextBarrier();
    const due = Math.min(this.#operator.nextDeadline(), wanted);
    const now = this.#stalled(wanted) ? wanted : clock.now();
    if (due <= now && this.#tick === undefined) {
      // What was appended before this commit is readable after it, and what comes later arrives at `now` or after.
      try {
        await store.commit({});
      } catch (error) {
        const { code, message } = asGatewayError(error);
        log.warn({ code, retryMs: RETRY_MS }, `${name}: the store is busy (${message}), trying again`);
        await pause(clock, RETRY_MS, this.#abort.signal);
        return true;
      }
      source.barrier(now);
      this.#tick = now;
      return true;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (Number.isFinite(due)) {
      this.#cancelTimer = clock.after(Math.min(Math.max(due - now, 1), STALL_MS), () => this.#wake.ring());
    }
    return false;
  }

  /**
   * Whether records have waited so long for the wall clock to pass their arrival that it must have been set back. The
   * merge then goes on without it; its order is that of a replay only as long as the gateway is not killed meanwhile.
   */
  #stalled(wanted: number): boolean {
    const monotonic = this.#options.clock.monotonic();
    if (wanted !== this.#wanted) {
      this.#wanted = wanted;
      this.#wantedSince = monotonic;
    }
    const ahead = Number.isFinite(wanted) && wanted > this.#options.clock.now();
    return ahead && monotonic - this.#wantedSince > STALL_MS;
  }

  #snapshotDue(): boolean {
    if (this.#snapshotting) return false;
    if (this.#state.events >= SNAPSHOT_EVENTS) return true;
    const limit = Math.max(this.stateBytes * SNAPSHOT_FACTOR, SNAPSHOT_BYTES);
    return this.#bytesSince >= Math.min(limit, this.#options.snapshotBytes);
  }

  /** Ends the forming unit at the present record. */
  #seal(snapshot: boolean): void {
    const unit = this.#forming;
    unit.position = [...this.#options.source.position];
    if (snapshot) {
      this.#applyReached();
      const rows: { key: string; bytes: Uint8Array }[] = [];
      this.#operator.snapshot((key, bytes) => rows.push({ key, bytes }));
      const meta = {
        position: unit.position,
        downtime: this.#operator.downtime.save(),
        lastTick: this.#lastTick,
      };
      unit.snapshot = { meta, rows };
      this.#snapshotting = true;
      this.#bytesSince = 0;
    }
    this.#ready.push(unit);
    this.#forming = emptyUnit();
    this.#flushDue = false;
  }

  #launch(): void {
    while (this.#inFlight < IN_FLIGHT) {
      if (this.#ready.length === 0 && this.#formingIsDue()) this.#seal(false);
      const unit = this.#ready.shift();
      if (unit === undefined) return;
      this.#queued -= unit.jobs.length;
      this.#queuedBytes -= unit.bytes;
      this.#inFlight++;
      this.#process(unit);
    }
  }

  #formingIsDue(): boolean {
    const { jobs, records, events } = this.#forming;
    if (jobs.length > 0) return this.#inFlight === 0 || jobs.length >= this.#options.stage.batch;
    if (records === 0 && events.length === 0) return false;
    if (records >= FLUSH_RECORDS || this.#flushDue) return true;
    this.#cancelFlush ??= this.#options.clock.after(FLUSH_MS, () => {
      this.#cancelFlush = undefined;
      this.#flushDue = true;
      this.#wake.ring();
    });
    return false;
  }

  #process(unit: Unit<Job>): void {
    const { stage } = this.#options;
    const before = this.#staged;
    const run = async () => {
      if (stage.stateful) await before;
      return stage.run(unit.jobs, unit.snapshot !== undefined, this.#abort.signal);
    };
    const outcome = run();
    this.#staged = outcome.catch(() => undefined);
    const earlier = this.#committed;
    this.#committed = this.#finish(unit, outcome, earlier);
  }

  async #finish(
    unit: Unit<Job>,
    outcome: ReturnType<Stage<Job>['run']>,
    earlier: Promise<unknown>,
  ): Promise<void> {
    try {
      const [done] = await Promise.all([outcome, earlier]);
      if (this.#broken) return;
      await commitUnit({
        ...this.#options,
        state: this.#state,
        unit,
        outcome: done,
        signal: this.#abort.signal,
      });
      if (unit.snapshot !== undefined) this.#snapshotting = false;
      done.committed();
    } catch (error) {
      this.#broken = true;
      const coded = asGatewayError(error);
      if (!this.#stopped && coded.code !== 'STOPPING') this.#options.failed(coded);
      this.#abort.abort();
    } finally {
      this.#inFlight--;
      this.#launchMore();
      this.#wake.ring();
    }
  }

  #launchMore(): void {
    if (!this.#stopped) this.#launch();
  }

  #shed(max: number): void {
    const { stage } = this.#options;
    while (this.#queued > max || this.#queuedBytes > QUEUE_BYTES) {
      const unit = this.#ready.find((u) => u.jobs.length > 0) ?? this.#forming;
      if (unit.jobs.length === 0) return;
      const count = Math.max(1, Math.min(this.#queued - max, unit.jobs.length));
      for (const job of unit.jobs.splice(0, count)) {
        const size = stage.size(job);
        unit.bytes -= size;
        this.#queuedBytes -= size;
        const identity = stage.shed(job);
        if (stage.stateful) unit.skipped.push(identity);
      }
      this.#queued -= count;
    }
  }

  #takeReplayed(): Job[] {
    const jobs = this.#forming.jobs;
    this.#forming = emptyUnit();
    this.#queued = 0;
    this.#queuedBytes = 0;
    return jobs;
  }
}

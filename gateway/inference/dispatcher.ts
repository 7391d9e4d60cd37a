import type { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Priority } from '../ports/inference.ts';
import { batchBytes, encodeBatch, type Reply, readReply } from './batch.ts';
import { FAILED, type FrameHeader } from './frames.ts';
import { type HostExit, type HostProcess, hostError } from './host-process.ts';
import { type Batch, Lane } from './lane.ts';
import type { Model } from './model.ts';
import { Queues, roomOf } from './queues.ts';
import { Suspects } from './suspects.ts';
import { failUnit, late, rowsIn, type Segment, unitsIn, type Work } from './work.ts';

/** Batches on their way to the host at once: enough that small ones share a write. */
const MAX_IN_FLIGHT = 128;
/**
 * Work on its way beyond this makes the next call of a higher priority wait; a host with less may run dry. Small
 * batches need more of it: what the kernel and the other process take for each is as long as they are. More than twice
 * what the kernel holds for a pipe would have to wait for a turn of this event loop, while the host runs dry.
 */
const AHEAD_US = 1000;
const SMALL_US = 200;
const AHEAD_SMALL_US = 2000;
/** Taken for a model that has not run yet. */
const UNKNOWN_US = 100;
/** Batches that are not full go out only while fewer are on their way, so that they fill while the host is busy. */
const KEEP_BUSY = 2;
/** Bytes on their way at once. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Deadlines are looked after at most this often, ms. */
const SWEEP_MS = 10;

export interface DispatcherOptions {
  readonly clock: Clock;
  /** Most rows waiting in one priority before callers from outside are refused. */
  readonly maxWaiting: number;
  /** Percent of the compute time that accounts rent. */
  readonly rents?: ReadonlyMap<string, number> | undefined;
  /** Called for each poison unit. */
  onPoison(model: Model): void;
  /** Called with undefined when the server of a model has answered, else with what is wrong with it. */
  onServer(problem: string | undefined): void;
}

/**
 * Batches and their answers. Self-clocked: while the host is busy, units gather, across callers and devices, up to the
 * model's largest batch.
 *
 * After a crash, everything that was in the host runs again one unit at a time with nothing beside it. So a host that
 * ends a second time names the one unit that ended it.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #clock: Clock;
  readonly #queues: Queues;
  #lane: Lane | null = null;
  readonly #draining = new Set<Lane>();
  /** Were in a host that ended. */
  readonly #suspects = new Suspects();
  /** Were in a batch that failed: each runs in a batch of its own. */
  readonly #retries = new Suspects();
  #scheduled = false;
  #refilling = false;
  #sweepAt = Number.POSITIVE_INFINITY;
  #cancelSweep: () => void = () => undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#queues = new Queues(options);
  }

  /** Rows in no batch, and units that run again. */
  get waiting(): number {
    return this.#queues.rows + this.#suspects.size + this.#retries.size;
  }

  rowsWaiting(priority: Priority): number {
    return this.#queues.rowsOf(priority);
  }

  get inFlight(): number {
    return this.#lanes().reduce((sum, lane) => sum + lane.batches.length, 0);
  }

  /** Queues work; answers QUEUE_FULL what is too much. */
  submit(work: Work): void {
    const full = this.#queues.refuses(work);
    if (full !== undefined) {
      for (let unit = 0; unit < work.units; unit++) failUnit(work, unit, 'QUEUE_FULL', full);
      return;
    }
    this.#queues.add(work, this.#clock.monotonic());
    if (Number.isFinite(work.deadline)) this.#sweepBy(work.deadline);
    this.#schedule();
  }

  /** New batches go to this host from now on. Resolves when the one before it has answered all it was asked. */
  async attach(host: HostProcess, models: ReadonlySet<Model>): Promise<void> {
    const old = this.#lane;
    this.#lane = new Lane(host, models);
    this.#pump();
    await this.#drain(old);
  }

  /** New batches wait for another host. Resolves when this one has answered all it was asked. */
  async detach(): Promise<void> {
    const old = this.#lane;
    this.#lane = null;
    await this.#drain(old);
  }

  async #drain(lane: Lane | null): Promise<void> {
    if (!lane) return;
    this.#draining.add(lane);
    await lane.empty();
    this.#draining.delete(lane);
  }

  /** Takes back what a host that has ended was asked; it runs again on the next. */
  lost(host: HostProcess, kind: HostExit['kind']): void {
    for (const lane of this.#lanes()) {
      if (lane.host !== host) continue;
      if (lane === this.#lane) this.#lane = null;
      for (const batch of lane.takeAll()) {
        if (this.#suspects.addLost(batch, kind)) this.#poison(batch);
      }
    }
    this.#pump();
  }

  /** Answers everything that waits for a model, or for any. */
  fail(code: string, message: string, only?: Model): void {
    this.#queues.fail(code, message, only);
    for (const list of [this.#suspects, this.#retries]) {
      for (const { work, unit } of list.take(only)) failUnit(work, unit, code, message);
    }
  }

  /** Resolves when nothing waits and nothing is in a host. */
  async idle(): Promise<void> {
    while (this.waiting > 0 || this.inFlight > 0)
      await new Promise<void>((resolve) => void this.#clock.after(10, resolve));
  }

  /** Answers what is left with a code, also what is in a host. */
  stop(code: string, message: string): void {
    this.#cancelSweep();
    this.#cancelWake();
    for (const lane of this.#lanes()) for (const batch of lane.takeAll()) this.#suspects.addFailed(batch);
    this.#lane = null;
    this.fail(code, message);
  }

  #lanes(): Lane[] {
    return this.#lane ? [this.#lane, ...this.#draining] : [...this.#draining];
  }

  // Gathers what this turn of the event loop brings before the first batch leaves.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const lane = this.#lane;
    if (!lane?.host.alive) return;
    if (this.#suspects.size > 0 || lane.alone) this.#sendSuspect(lane);
    else {
      const now = this.#clock.monotonic();
      const due = (model: Model): boolean => this.#due(lane, model, now);
      while (hasRoom(lane)) {
        if (this.#retries.size > 0) this.#sendAlone(lane, this.#retries, false);
        else {
          const draft = this.#queues.draft(due, now);
          if (!draft) break;
          if (draft.segments.length > 0) this.#send(lane, draft.model, draft.segments, now);
        }
      }
    }
    lane.host.flush();
  }

  /** Whether a model has a whole batch, or what it has must go because the host is about to run dry. */
  #due(lane: Lane, model: Model, now: number): boolean {
    if (!lane.models.has(model)) return false;
    if (model.waiting >= roomOf(model)) return true;
    if (lane.batches.length >= KEEP_BUSY) return false;
    const { maxDelay } = model.bundle.manifest.limits;
    const at = model.gatherSince + maxDelay;
    if (maxDelay === 0 || at <= now) return true;
    this.#wakeBy(at);
    return false;
  }

  /** Writes one batch for the next flush. */
  #send(lane: Lane, model: Model, segments: readonly Segment[], now: number, suspicion?: number): void {
    for (const { work, from, to } of segments) {
      work.sentAt = now;
      model.stats.noteWait(work.priority, (to - from) * work.rows, now - work.since);
    }
    const id = lane.host.nextId();
    const bytes = batchBytes(model, segments);
    const place = lane.host.reserve(bytes, {
      id,
      limitMs: model.bundle.manifest.limits.maxRun,
      onReply: (header, reply) => this.#reply(lane, header, reply),
    });
    encodeBatch(model, id, segments, place);
    const micros = (model.rowUs || UNKNOWN_US) * rowsIn(segments);
    lane.add(
      suspicion === undefined
        ? { model, segments, bytes, micros }
        : { model, segments, bytes, micros, suspicion },
    );
  }

  #sendSuspect(lane: Lane): void {
    if (lane.batches.length > 0) return;
    if (!this.#sendAlone(lane, this.#suspects, true)) this.#schedule();
  }

  /** Sends the next unit of a list in a batch of its own; returns whether there was one. */
  #sendAlone(lane: Lane, list: Suspects, marked: boolean): boolean {
    const now = this.#clock.monotonic();
    for (let suspect = list.next(); suspect; suspect = list.next()) {
      const { work, unit, suspicion } = suspect;
      const { model } = work;
      if (work.deadline <= now) failUnit(work, unit, 'DEADLINE', late(work, now));
      else if (!lane.models.has(model))
        failUnit(work, unit, 'MODEL_REFUSED', `${model.key} no longer serves`);
      else {
        const segments = [{ work, from: unit, to: unit + 1 }];
        this.#send(lane, model, segments, now, marked ? suspicion : undefined);
        return true;
      }
    }
    return false;
  }

  #reply(lane: Lane, header: FrameHeader, frame: Uint8Array): void {
    const [batch] = lane.batches;
    if (!batch) return;
    // A reply that cannot be read throws here and ends the host; the batch is then still in the lane and not lost.
    if (header.status === FAILED) this.#failed(batch, hostError(frame));
    else this.#succeeded(batch, header, readReply(batch.model.plan, header, frame));
    lane.removeFirst();
    if (this.#refilling) return;
    // Replies come several to a chunk: one refill after the last of them shares a write.
    this.#refilling = true;
    queueMicrotask(this.#refill);
  }

  readonly #refill = (): void => {
    this.#refilling = false;
    this.#pump();
  };

  #succeeded({ model, segments }: Batch, header: FrameHeader, reply: Reply): void {
    model.noteRun(header.items, header.micros);
    if (model.plan.remote) this.#options.onServer(undefined);
    let row = 0;
    for (const { work, from, to } of segments) {
      work.answer(from, to, reply, row);
      row += (to - from) * work.rows;
    }
  }

  /** An error of one unit is its answer; an error of several is looked for one by one, but one of a server is all theirs. */
  #failed(batch: Batch, { code, message }: GatewayError): void {
    if (code === 'REMOTE_UNAVAILABLE') this.#options.onServer(message);
    if (code.startsWith('REMOTE_')) this.#answer(batch, code, message);
    else if (unitsIn(batch.segments) > 1) this.#retries.addFailed(batch);
    else this.#answer(batch, code, message);
  }

  #poison(batch: Batch): void {
    this.#answer(batch, 'POISON', `this input ended the model host twice in ${batch.model.key}`);
    this.#options.onPoison(batch.model);
  }

  #answer({ segments }: Batch, code: string, message: string): void {
    for (const { work, from, to } of segments) {
      for (let unit = from; unit < to; unit++) failUnit(work, unit, code, message);
    }
  }

  #wakeBy(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = time;
    this.#cancelWake = this.#clock.after(Math.max(1, time - this.#clock.monotonic()), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#pump();
    });
  }

  #sweepBy(time: number): void {
    if (time >= this.#sweepAt) return;
    this.#cancelSweep();
    this.#sweepAt = time;
    const wait = Math.max(SWEEP_MS, time - this.#clock.monotonic());
    this.#cancelSweep = this.#clock.after(wait, () => this.#sweep());
  }

  /** Answers what has waited too long, also while there is no host. */
  #sweep(): void {
    this.#sweepAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    let next = this.#queues.expire(now);
    const look = (work: Work, unit: number): void => {
      if (work.deadline > now) next = Math.min(next, work.deadline);
      else failUnit(work, unit, 'DEADLINE', late(work, now));
    };
    for (const list of [this.#suspects, this.#retries]) for (const { work, unit } of list) look(work, unit);
    for (const lane of this.#lanes()) {
      for (const { segments } of lane.batches) {
        for (const { work, from } of segments) if (work.strict && !work.answered(from)) look(work, from);
      }
    }
    if (Number.isFinite(next)) this.#sweepBy(next);
  }
}

/**
 * Whether another batch may go out. Once a lane is full of small ones, it is filled up again when half of them are
 * done: a few at a time would wake both processes for each.
 */
function hasRoom(lane: Lane): boolean {
  const { bytes, micros } = lane;
  const count = lane.batches.length;
  const small = micros < count * SMALL_US;
  const most = small ? AHEAD_SMALL_US : AHEAD_US;
  if (count > 0 && (count >= MAX_IN_FLIGHT || bytes >= MAX_BYTES || micros >= most)) {
    lane.filled = small;
    return false;
  }
  if (lane.filled && small && (2 * count > MAX_IN_FLIGHT || 2 * micros > most)) return false;
  lane.filled = false;
  return true;
}

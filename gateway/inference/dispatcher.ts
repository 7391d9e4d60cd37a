import type { Clock } from '../ports/clock.ts';
import type { ModelAnswer, ModelInput } from '../ports/inference.ts';
import { batchBytes, decodeBatch, encodeBatch, type Slice } from './batch.ts';
import { FAILED, type FrameHeader } from './frames.ts';
import { type HostProcess, hostError } from './host-process.ts';
import { type Model, type Segment, Submission } from './submission.ts';

/** Whole batches on their way to the host at once: enough that small ones share a write. */
const MAX_IN_FLIGHT = 32;
/** Batches that are not full go out only while fewer are on their way, so that they fill while the host is busy. */
const KEEP_BUSY = 2;
/** Bytes on their way at once. */
const MAX_BYTES = 64 * 1024 * 1024;

interface Batch {
  readonly model: Model;
  readonly segments: readonly Segment[];
  readonly bytes: number;
}

/** A host and what it has been asked. */
class Lane {
  readonly host: HostProcess;
  readonly models: ReadonlySet<Model>;
  readonly batches = new Map<number, Batch>();
  bytes = 0;

  constructor(host: HostProcess, models: ReadonlySet<Model>) {
    this.host = host;
    this.models = models;
  }
}

/** An item that was in a host when it ended, or in a batch that failed: it runs alone next. */
interface Suspect {
  readonly model: Model;
  readonly submission: Submission;
  readonly index: number;
  /** Hosts that ended while it was in them. */
  readonly crashes: number;
}

export interface DispatcherOptions {
  readonly clock: Clock;
  /** Most items waiting before callers that refuse to wait are refused. */
  readonly maxWaiting: number;
  /** Called for each poison item. */
  onPoison(model: Model): void;
}

/**
 * Queues, micro-batches and their answers. Self-clocked: while the host is busy, items gather, across callers and
 * devices, up to the model's largest batch.
 *
 * After a crash, everything that was in the host runs again one item at a time with nothing beside it. So a host that
 * ends a second time names the one item that ended it.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #clock: Clock;
  readonly #models = new Set<Model>();
  #lane: Lane | null = null;
  readonly #draining = new Set<Lane>();
  #suspects: Suspect[] = [];
  /** Suspects that are running alone, by request id. */
  readonly #alone = new Map<number, Suspect>();
  #turn = 0;
  #scheduled = false;
  #refilling = false;
  #sweepAt = Number.POSITIVE_INFINITY;
  #cancelSweep: () => void = () => undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  get waiting(): number {
    let sum = this.#suspects.length;
    for (const model of this.#models) sum += model.waiting;
    return sum;
  }

  get inFlight(): number {
    let sum = this.#lane?.batches.size ?? 0;
    for (const lane of this.#draining) sum += lane.batches.size;
    return sum;
  }

  /** Queues items; `check` answers those that cannot be run at all. */
  submit(
    model: Model,
    items: readonly ModelInput[],
    options: { deadline: number; refuse: boolean },
    check: (item: ModelInput) => { code: string; message: string } | null,
  ): Promise<ModelAnswer[]> {
    if (items.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const now = this.#clock.monotonic();
      const submission = new Submission(items, now, now + options.deadline, resolve);
      const { maxWaiting } = this.#options;
      const waiting = this.waiting;
      // Callers that wait bound themselves; ten times the limit is a caller that does not.
      const full = waiting > 0 && waiting + items.length > (options.refuse ? maxWaiting : maxWaiting * 10);
      for (let index = 0; index < items.length; index++) {
        const wrong = full
          ? { code: 'QUEUE_FULL', message: `${waiting} items are waiting for models` }
          : check(items[index]!);
        if (wrong) model.fail(submission, index, wrong.code, wrong.message);
      }
      if (full) return;
      this.#models.add(model);
      model.queue.push(submission);
      model.waiting += items.length;
      if (Number.isFinite(submission.deadline)) this.#sweepBy(submission.deadline);
      this.#schedule();
    });
  }

  /** New batches go to this host from now on. Resolves when the one before it has answered all it was asked. */
  attach(host: HostProcess, models: ReadonlySet<Model>): Promise<void> {
    const old = this.#lane;
    this.#lane = new Lane(host, models);
    const drained = old ? this.#drain(old) : Promise.resolve();
    this.#pump();
    return drained;
  }

  /** Takes back what a host that has ended was asked. Returns whether it was the current one. */
  lost(host: HostProcess): boolean {
    const current = this.#lane?.host === host;
    for (const lane of [this.#lane, ...this.#draining]) {
      if (lane?.host !== host) continue;
      for (const [id, batch] of lane.batches) this.#suspect(id, batch);
      lane.batches.clear();
      this.#drained(lane);
    }
    if (current) this.#lane = null;
    this.#pump();
    return current;
  }

  /** Answers everything that waits for a model, or for any. */
  fail(code: string, message: string, only?: Model): void {
    for (const model of this.#models) {
      if (only && model !== only) continue;
      for (const submission of model.queue.splice(0)) model.failRest(submission, code, message);
      model.waiting = 0;
    }
    const suspects = this.#suspects;
    this.#suspects = suspects.filter((suspect) => only && suspect.model !== only);
    for (const suspect of suspects) {
      if (!only || suspect.model === only)
        suspect.model.fail(suspect.submission, suspect.index, code, message);
    }
  }

  /** Resolves when nothing waits and nothing is in a host. */
  async idle(): Promise<void> {
    while (this.waiting > 0 || this.inFlight > 0)
      await new Promise<void>((resolve) => void this.#clock.after(10, resolve));
  }

  stop(): void {
    this.#cancelSweep();
    this.#lane = null;
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
    if (this.#suspects.length > 0 || this.#alone.size > 0) this.#sendSuspect(lane);
    else {
      while (lane.batches.size < MAX_IN_FLIGHT && lane.bytes < MAX_BYTES) {
        const model = this.#pick(lane);
        if (!model) break;
        const now = this.#clock.monotonic();
        const segments = model.take(now);
        if (segments.length > 0) this.#send(lane, model, segments, now);
      }
    }
    lane.host.flush();
  }

  /** The next model in turn that has a whole batch, or any items while the host is about to run dry. */
  #pick(lane: Lane): Model | null {
    const models = [...lane.models];
    for (let i = 0; i < models.length; i++) {
      const model = models[(this.#turn + i) % models.length]!;
      if (model.waiting === 0) continue;
      if (model.waiting < model.bundle.manifest.limits.maxBatch && lane.batches.size >= KEEP_BUSY) continue;
      this.#turn = (this.#turn + i + 1) % models.length;
      return model;
    }
    return null;
  }

  /** Writes one batch for the next flush. Returns its request id. */
  #send(lane: Lane, model: Model, segments: readonly Segment[], now: number): number {
    const slices: Slice[] = [];
    let count = 0;
    const { stats } = model;
    for (const { submission, from, to } of segments) {
      slices.push({ items: submission.items, from, to });
      count += to - from;
      const queued = now - submission.since;
      stats.queueMs += queued * (to - from);
      if (queued > stats.queueMaxMs) stats.queueMaxMs = queued;
    }
    if (count > stats.largestBatch) stats.largestBatch = count;
    const id = lane.host.nextId();
    const bytes = batchBytes(model.plan, slices[0]!.items[slices[0]!.from]!, count);
    const place = lane.host.reserve(bytes, {
      id,
      limitMs: model.bundle.manifest.limits.maxRun,
      onReply: (header, reply) => this.#reply(lane, header, reply),
    });
    encodeBatch(model.plan, model.handle, id, slices, place);
    lane.batches.set(id, { model, segments, bytes });
    lane.bytes += bytes;
    return id;
  }

  #sendSuspect(lane: Lane): void {
    if (lane.batches.size > 0) return;
    const now = this.#clock.monotonic();
    for (let suspect = this.#suspects.shift(); suspect; suspect = this.#suspects.shift()) {
      const { model, submission, index } = suspect;
      if (submission.answered(index)) continue;
      if (submission.deadline <= now)
        model.fail(submission, index, 'DEADLINE', 'the model host ended meanwhile');
      else if (!lane.models.has(model))
        model.fail(submission, index, 'MODEL_REFUSED', `${model.key} no longer serves`);
      else {
        this.#alone.set(this.#send(lane, model, [{ submission, from: index, to: index + 1 }], now), suspect);
        return;
      }
    }
    this.#schedule();
  }

  #reply(lane: Lane, header: FrameHeader, frame: Uint8Array): void {
    const batch = lane.batches.get(header.id);
    if (!batch) return;
    lane.batches.delete(header.id);
    lane.bytes -= batch.bytes;
    this.#alone.delete(header.id);
    if (header.status === FAILED) this.#failed(batch, frame);
    else this.#succeeded(batch, header, frame);
    this.#drained(lane);
    if (!this.#refilling) {
      // Replies come several to a chunk: one refill after the last of them shares a write.
      this.#refilling = true;
      queueMicrotask(this.#refill);
    }
  }

  readonly #refill = (): void => {
    this.#refilling = false;
    this.#pump();
  };

  #succeeded({ model, segments }: Batch, header: FrameHeader, frame: Uint8Array): void {
    const decoded = decodeBatch(model.plan, header, frame);
    const { stats } = model;
    stats.runs++;
    stats.computeUs += header.micros;
    let i = 0;
    for (const { submission, from, to } of segments) {
      for (let index = from; index < to; index++) {
        const output = decoded.output(i++);
        if (output) {
          stats.items++;
          submission.answer(index, { ok: true, output });
        } else
          model.fail(
            submission,
            index,
            'MODEL_OUTPUT',
            `${model.key} gave a value that is not a finite number`,
          );
      }
    }
  }

  /** An error of one item is its answer; an error of several is looked for one by one. */
  #failed({ model, segments }: Batch, frame: Uint8Array): void {
    const error = hostError(frame);
    const items = itemsOf(model, segments, 0);
    if (items.length > 1) for (const item of items) this.#suspects.push(item);
    else for (const { submission, index } of items) model.fail(submission, index, error.code, error.message);
  }

  #suspect(id: number, { model, segments }: Batch): void {
    const before = this.#alone.get(id);
    this.#alone.delete(id);
    const crashes = (before?.crashes ?? 0) + 1;
    const items = itemsOf(model, segments, crashes);
    if (items.length > 1 || crashes < 2) {
      for (const item of items) this.#suspects.push(item);
      return;
    }
    for (const { submission, index } of items)
      model.fail(submission, index, 'POISON', `this input ended the model host twice in ${model.key}`);
    this.#options.onPoison(model);
  }

  readonly #onDrained = new Map<Lane, () => void>();

  #drain(lane: Lane): Promise<void> {
    this.#draining.add(lane);
    return new Promise((resolve) => {
      this.#onDrained.set(lane, resolve);
      this.#drained(lane);
    });
  }

  #drained(lane: Lane): void {
    if (lane.batches.size > 0 || !this.#draining.delete(lane)) return;
    this.#onDrained.get(lane)?.();
    this.#onDrained.delete(lane);
  }

  #sweepBy(time: number): void {
    if (time >= this.#sweepAt) return;
    this.#cancelSweep();
    this.#sweepAt = time;
    this.#cancelSweep = this.#clock.after(Math.max(1, time - this.#clock.monotonic()), () => this.#sweep());
  }

  /** Answers what has waited too long, also while there is no host. */
  #sweep(): void {
    this.#sweepAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    const message = (submission: Submission, model: Model): string =>
      `waited ${Math.round(now - submission.since)} ms for ${model.key}`;
    for (const model of this.#models) {
      for (const submission of model.queue) {
        if (submission.deadline > now) next = Math.min(next, submission.deadline);
        else model.failRest(submission, 'DEADLINE', message(submission, model));
      }
    }
    for (const { model, submission, index } of this.#suspects) {
      if (submission.deadline > now) next = Math.min(next, submission.deadline);
      else model.fail(submission, index, 'DEADLINE', message(submission, model));
    }
    if (Number.isFinite(next)) this.#sweepBy(next);
  }
}

function itemsOf(model: Model, segments: readonly Segment[], crashes: number): Suspect[] {
  const items: Suspect[] = [];
  for (const { submission, from, to } of segments) {
    for (let index = from; index < to; index++) items.push({ model, submission, index, crashes });
  }
  return items;
}

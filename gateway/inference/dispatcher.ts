import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ModelAnswer, ModelInput } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import { batchBytes, type DecodedBatch, decodeBatch, encodeBatch, type Slice } from './batch.ts';
import { callBytes, encodeCall } from './calls.ts';
import { FAILED, type FrameHeader } from './frames.ts';
import { type HostExit, type HostProcess, hostError } from './host-process.ts';
import { type Batch, Lane } from './lane.ts';
import { countOf, late, type Model, type Segment, Submission } from './submission.ts';
import { Suspects } from './suspects.ts';

/** Whole batches on their way to the host at once: enough that small ones share a write. */
const MAX_IN_FLIGHT = 32;
/** Batches that are not full go out only while fewer are on their way, so that they fill while the host is busy. */
const KEEP_BUSY = 2;
/** Bytes on their way at once. */
const MAX_BYTES = 64 * 1024 * 1024;

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
  readonly #suspects = new Suspects();
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
    let sum = this.#suspects.size;
    for (const model of this.#models) sum += model.waiting;
    return sum;
  }

  get inFlight(): number {
    return this.#lanes().reduce((sum, lane) => sum + lane.batches.length, 0);
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

  /** One call with tensors, alone in a frame. Rejects with what the host says. */
  call(model: Model, tensors: readonly Tensor[], count: number): Promise<[FrameHeader, Uint8Array]> {
    return new Promise((resolve, reject) => {
      const lane = this.#lane;
      if (!lane?.host.alive || !lane.models.has(model))
        throw new GatewayError('MODEL_HOST', `${model.key} is not loaded`);
      const id = lane.host.nextId();
      const bytes = callBytes(model.plan, tensors, count);
      const place = lane.host.reserve(bytes, {
        id,
        limitMs: model.bundle.manifest.limits.maxRun,
        onReply: (header, frame) =>
          header.status === FAILED ? reject(hostError(frame)) : resolve([header, frame]),
        onLost: reject,
      });
      encodeCall(model.plan, model.handle, id, tensors, count, place);
      lane.host.flush();
    });
  }

  /** New batches go to this host from now on. Resolves when the one before it has answered all it was asked. */
  async attach(host: HostProcess, models: ReadonlySet<Model>): Promise<void> {
    const old = this.#lane;
    this.#lane = new Lane(host, models);
    this.#pump();
    if (!old) return;
    this.#draining.add(old);
    await old.empty();
    this.#draining.delete(old);
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
    for (const model of this.#models) {
      if (only && model !== only) continue;
      for (const submission of model.queue.splice(0)) model.failRest(submission, code, message);
      model.waiting = 0;
    }
    for (const { model, submission, index } of this.#suspects.take(only))
      model.fail(submission, index, code, message);
  }

  /** Resolves when nothing waits and nothing is in a host. */
  async idle(): Promise<void> {
    while (this.waiting > 0 || this.inFlight > 0)
      await new Promise<void>((resolve) => void this.#clock.after(10, resolve));
  }

  /** Answers what is left with a code, also what is in a host. */
  stop(code: string, message: string): void {
    this.#cancelSweep();
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
      while (lane.batches.length < MAX_IN_FLIGHT && lane.bytes < MAX_BYTES) {
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
      if (model.waiting < model.bundle.manifest.limits.maxBatch && lane.batches.length >= KEEP_BUSY) continue;
      this.#turn = (this.#turn + i + 1) % models.length;
      return model;
    }
    return null;
  }

  /** Writes one batch for the next flush. */
  #send(lane: Lane, model: Model, segments: readonly Segment[], now: number, suspicion?: number): void {
    const slices = segments.map(({ submission, from, to }): Slice => ({ items: submission.items, from, to }));
    const count = countOf(segments);
    model.noteDispatch(segments, now);
    const id = lane.host.nextId();
    const bytes = batchBytes(model.plan, slices[0]!.items[slices[0]!.from]!, count);
    const place = lane.host.reserve(bytes, {
      id,
      limitMs: model.bundle.manifest.limits.maxRun,
      onReply: (header, reply) => this.#reply(lane, header, reply),
    });
    encodeBatch(model.plan, model.handle, id, slices, place);
    lane.add(suspicion === undefined ? { model, segments, bytes } : { model, segments, bytes, suspicion });
  }

  #sendSuspect(lane: Lane): void {
    if (lane.batches.length > 0) return;
    const now = this.#clock.monotonic();
    for (let suspect = this.#suspects.next(); suspect; suspect = this.#suspects.next()) {
      const { model, submission, index, suspicion } = suspect;
      if (submission.deadline <= now) model.fail(submission, index, 'DEADLINE', late(model, submission, now));
      else if (!lane.models.has(model))
        model.fail(submission, index, 'MODEL_REFUSED', `${model.key} no longer serves`);
      else {
        this.#send(lane, model, [{ submission, from: index, to: index + 1 }], now, suspicion);
        return;
      }
    }
    this.#schedule();
  }

  #reply(lane: Lane, header: FrameHeader, frame: Uint8Array): void {
    const [batch] = lane.batches;
    if (!batch) return;
    // A reply that cannot be read throws here and ends the host; the batch is then still in the lane and not lost.
    if (header.status === FAILED) this.#failed(batch, hostError(frame));
    else this.#succeeded(batch, header, decodeBatch(batch.model.plan, header, frame));
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

  #succeeded({ model, segments }: Batch, header: FrameHeader, decoded: DecodedBatch): void {
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
        } else model.fail(submission, index, 'MODEL_OUTPUT', `${model.key} gave a number that is not finite`);
      }
    }
  }

  /** An error of one item is its answer; an error of several is looked for one by one. */
  #failed(batch: Batch, { code, message }: GatewayError): void {
    if (countOf(batch.segments) > 1) this.#suspects.addFailed(batch);
    else this.#answer(batch, code, message);
  }

  #poison(batch: Batch): void {
    this.#answer(batch, 'POISON', `this input ended the model host twice in ${batch.model.key}`);
    this.#options.onPoison(batch.model);
  }

  #answer({ model, segments }: Batch, code: string, message: string): void {
    for (const { submission, from, to } of segments) {
      for (let index = from; index < to; index++) model.fail(submission, index, code, message);
    }
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
    for (const model of this.#models) {
      for (const submission of model.queue) {
        if (submission.deadline > now) next = Math.min(next, submission.deadline);
        else model.failRest(submission, 'DEADLINE', late(model, submission, now));
      }
    }
    for (const { model, submission, index } of this.#suspects) {
      if (submission.deadline > now) next = Math.min(next, submission.deadline);
      else model.fail(submission, index, 'DEADLINE', late(model, submission, now));
    }
    if (Number.isFinite(next)) this.#sweepBy(next);
  }
}

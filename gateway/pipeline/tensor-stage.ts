import { asGatewayError, type ErrorCode, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference, ModelInfo, TensorAnswer } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Meter, Usage } from '../ports/meter.ts';
import type { FieldValue } from '../ports/reading.ts';
import type { Tensor } from '../ports/tensor.ts';
import type { NewRecord } from '../store/types.ts';
import { Backoff, LOCAL } from '../system/backoff.ts';
import { pause } from './commit.ts';
import { Histogram } from './histogram.ts';
import type { ReadingJob } from './reading-operator.ts';
import type { ResultText } from './result-json.ts';
import { singleOutputs, tensorText } from './tensor-json.ts';
import { tensorsOf } from './tensor-values.ts';
import type { Outcome, Stage } from './unit.ts';

/** Bytes of bookkeeping per waiting reading, besides its values. */
const JOB_OVERHEAD = 128;
/** Readings up to this size are kept with the reason why the model did not answer them. */
const KEPT_BYTES = 64 * 1024;
/** Answers that say nothing about the reading: no model serves, or too much waits; it is tried again. */
const AGAIN: ReadonlySet<string> = new Set<ErrorCode>([
  'MODEL_REFUSED',
  'MODEL_MISSING',
  'MODEL_HOST',
  'REMOTE_UNAVAILABLE',
  'QUEUE_FULL',
]);

export interface TensorStageOptions {
  readonly pipeline: string;
  /** `name` or `name@version`. */
  readonly model: string;
  /** Fields for the inputs in their order; absent: by name. */
  readonly fields: readonly string[] | undefined;
  readonly inference: Inference;
  readonly text: ResultText;
  /** Absent: nothing is billed. */
  readonly meter: Meter | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds a reading may wait for the model. */
  readonly deadlineMs: number | undefined;
  readonly results: string;
  readonly rejected: string;
  /** A committed result, in order. Must not throw. */
  readonly published: (device: string, json: string) => void;
  /** Readings that gave way. */
  readonly shedding: (count: number) => void;
}

/** Hands readings to a model that takes their fields as tensors by name, and makes results of its outputs. */
export class TensorStage implements Stage<ReadingJob> {
  /** Since the start of the process. */
  readonly counters = { windows: 0, results: 0, errors: 0, shed: 0 };
  readonly latency = new Histogram();
  readonly stateful = false;
  readonly stateBytes = 0;
  batches = 0;
  readonly #options: TensorStageOptions;
  readonly #account: string;
  #info: ModelInfo;
  #single: ReadonlyMap<string, boolean>;

  /** Throws the coded error of {@link Inference.model} when there is no such model. */
  constructor(options: TensorStageOptions) {
    this.#options = options;
    this.#account = `pipeline/${options.pipeline}`;
    this.#info = options.inference.model(options.model);
    this.#single = singleOutputs(this.#info);
  }

  get batch(): number {
    return Math.max(1, this.#info.maxBatch);
  }

  size({ value }: ReadingJob): number {
    return JOB_OVERHEAD + value.values.reduce<number>((sum, field) => sum + bytesOf(field), 0);
  }

  shed(job: ReadingJob): string {
    this.#shed(1);
    return identity(job);
  }

  restore(): void {
    // The stage has no state: rows of an earlier model under the same name mean nothing to it.
  }

  async replay(): Promise<void> {
    // Nothing of what was committed before is remembered here.
  }

  async run(jobs: readonly ReadingJob[], _: boolean, signal: AbortSignal): Promise<Outcome> {
    const { clock, text, meter, results: stream, rejected } = this.#options;
    this.#lookUp();
    const startedAt = clock.now();
    const answers = await Promise.all(jobs.map((job) => this.#answer(job, signal)));
    const results: NewRecord<string>[] = [];
    const rejects: NewRecord<string>[] = [];
    const uses: Usage[] = [];
    let shed = 0;
    for (const [i, job] of jobs.entries()) {
      const answer = answers[i]!;
      const { key: device, time } = job;
      if (answer.ok) {
        text.use(answer.model);
        const value = text.documentOf(device, time, job.ordinal, this.#outputs(answer.outputs));
        results.push({ device, time, flags: 0, value });
        if (meter) uses.push(this.#usage(job, answer, value, startedAt));
      } else if (answer.code === 'DEADLINE') shed++;
      else rejects.push({ device, time, flags: 0, value: this.#rejection(job, answer.code, answer.message) });
    }
    return {
      appends: [
        ...(results.length > 0 ? [{ stream, records: results }] : []),
        ...(rejects.length > 0 ? [{ stream: rejected, records: rejects }] : []),
      ],
      ops: uses.length > 0 ? meter!.charge(uses) : [],
      skipped: [],
      state: [],
      committed: () => {
        this.counters.windows += jobs.length - shed;
        this.counters.results += results.length;
        this.counters.errors += rejects.length;
        if (shed > 0) this.#shed(shed);
        const now = clock.now();
        for (const [i, { arrival }] of jobs.entries()) if (answers[i]!.ok) this.latency.record(now - arrival);
        for (const { device, value } of results) this.#options.published(device, value);
      },
    };
  }

  /** Rejects only when stopping. */
  async #answer(job: ReadingJob, signal: AbortSignal): Promise<TensorAnswer> {
    const { inference, model, fields, deadlineMs, clock, log } = this.#options;
    let inputs: Record<string, Tensor>;
    try {
      inputs = tensorsOf(this.#info, job.value, fields);
    } catch (error) {
      const { code, message } = asGatewayError(error);
      return { ok: false, model: undefined, code, message };
    }
    const until = deadlineMs === undefined ? Number.POSITIVE_INFINITY : job.arrival + deadlineMs;
    for (const backoff = new Backoff(LOCAL); ; ) {
      const left = until - clock.now();
      if (left <= 0) return { ok: false, model: undefined, code: 'DEADLINE', message: 'waited too long' };
      const answer = await inference.infer(model, {
        inputs,
        priority: 'pipeline',
        account: this.#account,
        deadline: left,
        routeKey: job.key,
      });
      if (answer.ok || !AGAIN.has(answer.code)) {
        if (!answer.ok && answer.code === 'STOPPING') throw new GatewayError('STOPPING', answer.message);
        this.batches++;
        return answer;
      }
      const delay = backoff.next();
      log.warn(
        { code: answer.code, retryMs: delay },
        `model ${model}: no answer (${answer.message}), trying again`,
      );
      await pause(clock, delay, signal);
      signal.throwIfAborted();
    }
  }

  #lookUp(): void {
    const { inference, model, log } = this.#options;
    try {
      const found = inference.model(model);
      if (found === this.#info) return;
      this.#info = found;
      this.#single = singleOutputs(found);
    } catch (error) {
      const { code, message } = asGatewayError(error);
      log.warn({ code }, `model ${model}: ${message}; going on as ${this.#info.name}@${this.#info.version}`);
    }
  }

  *#outputs(outputs: Readonly<Record<string, Tensor>>): Iterable<[string, string]> {
    for (const name in outputs) yield [name, tensorText(outputs[name]!, this.#single.get(name) ?? false)];
  }

  #shed(count: number): void {
    this.counters.windows += count;
    this.counters.shed += count;
    this.#options.shedding(count);
  }

  #rejection(job: ReadingJob, code: string, message: string): string {
    const { pipeline, text } = this.#options;
    const { key: device, time, value } = job;
    const id = text.id(device, time, job.ordinal);
    const kept = this.size(job) <= KEPT_BYTES ? fieldsText(job) : undefined;
    const { fields } = value;
    return `${JSON.stringify({ id, pipeline, device, time, code, message, fields }).slice(0, -1)}${kept ? `,"values":${kept}` : ''}}`;
  }

  #usage(
    job: ReadingJob,
    { model, computeUs }: TensorAnswer & { ok: true },
    answer: string,
    startedAt: number,
  ): Usage {
    const requestId = this.#options.text.id(job.key, job.time, job.ordinal);
    return {
      requestId,
      account: this.#account,
      model,
      startedAt,
      computeUs: Math.round(computeUs),
      bytesIn: this.size(job) - JOB_OVERHEAD,
      bytesOut: Buffer.byteLength(answer),
      request: `{"id":${JSON.stringify(requestId)},"values":${fieldsText(job)}}`,
      answer,
    };
  }
}

const identity = ({ key, time, ordinal }: ReadingJob): string => `${key}/${time}-${ordinal}`;

function bytesOf(value: FieldValue): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce((sum, bytes) => sum + bytes.length, 0);
  return ArrayBuffer.isView(value) ? value.byteLength : 8;
}

/** The fields of a reading as JSON: arrays and bytes as base64 of how they lie in memory. */
function fieldsText({ value: { fields, values } }: ReadingJob): string {
  const base64 = (view: ArrayBufferView): string =>
    Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('base64');
  const plain = values.map((value) => {
    if (Array.isArray(value)) return value.map(base64);
    return ArrayBuffer.isView(value) ? base64(value) : value;
  });
  return JSON.stringify(Object.fromEntries(fields.map((name, i) => [name, plain[i]])));
}

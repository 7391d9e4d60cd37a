import { pipelineConsumer } from '../config/names.ts';
import type { PipelineConfig, StreamConfig } from '../config/schema.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference, ModelInfo } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Meter } from '../ports/meter.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { Columns } from '../stream/columns.ts';
import { Joiner } from '../stream/join.ts';
import type { ClosedWindow, Reading } from '../stream/window.ts';
import { checkInputs, planColumns } from './column-plan.ts';
import { Consumer } from './consumer.ts';
import { ModelCalls } from './model-calls.ts';
import { ModelStage } from './model-stage.ts';
import { type ReadingJob, ReadingOperator } from './reading-operator.ts';
import { ResultText } from './result-json.ts';
import type { RecordSource } from './source.ts';
import { TensorStage } from './tensor-stage.ts';
import { WindowOperator } from './window-operator.ts';

/** Figures of one pipeline since the start of the process. */
export interface PipelineStats {
  readonly id: string;
  readonly windows: number;
  readonly results: number;
  /** Windows the model answered with an error; kept in `$rejected/pipeline-<id>`. */
  readonly errors: number;
  readonly shed: number;
  readonly late: number;
  /** Readings without a number for each column. */
  readonly unusable: number;
  readonly overflow: number;
  /** Leading readings of a join without partners. */
  readonly unmatched: number;
  readonly queued: number;
  readonly batches: number;
  readonly keys: number;
  readonly stateBytes: number;
  /** Milliseconds from the arrival of the completing reading to the commit of the result. */
  readonly latency: {
    readonly count: number;
    readonly sum: number;
    readonly p50: number;
    readonly p99: number;
    /** Upper edges in ms and counts of the buckets in use. */
    readonly buckets: { readonly bounds: readonly number[]; readonly counts: readonly number[] };
  };
}

export interface PipelineParts {
  readonly gateway: string;
  readonly pipeline: PipelineConfig;
  readonly maxDevices: number;
  readonly source: RecordSource;
  /** Configuration of the streams it takes; undefined for another pipeline. */
  readonly sourceConfigs: readonly (StreamConfig | undefined)[];
  readonly results: JournalStream<string>;
  readonly rejected: JournalStream<string>;
  readonly store: Store;
  readonly inference: Inference;
  readonly meter: Meter | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly snapshotBytes: number | undefined;
  readonly published: (device: string, json: string) => void;
  readonly shedding: (count: number) => void;
}

/** One pipeline: source → join → windows → model → results, as a consumer of its source. */
export class Pipeline {
  readonly id: string;
  readonly #parts: PipelineParts;
  #running: Running | undefined;

  constructor(parts: PipelineParts) {
    this.id = parts.pipeline.id;
    this.#parts = parts;
  }

  /** Throws a coded error when the model is absent or does not fit the streams. */
  async start(signal: AbortSignal): Promise<void> {
    this.#running = build(this.#parts);
    await this.#running.consumer.start(signal);
  }

  async stop(): Promise<void> {
    await this.#running?.consumer.stop();
  }

  stats(): PipelineStats | undefined {
    if (this.#running === undefined) return undefined;
    const { consumer, stage, counted, operator } = this.#running;
    const { latency } = stage;
    return {
      id: this.id,
      ...stage.counters,
      ...(operator instanceof WindowOperator ? operator.windower.counters : operator.counters),
      unmatched: operator.joiner?.counters.unmatched ?? 0,
      queued: consumer.queued,
      batches: counted.batches,
      keys: consumer.keys,
      stateBytes: consumer.stateBytes,
      latency: {
        count: latency.count,
        sum: latency.sum,
        p50: latency.quantile(0.5),
        p99: latency.quantile(0.99),
        buckets: latency.buckets(),
      },
    };
  }
}

interface Running {
  readonly consumer: Pick<Consumer<never>, 'start' | 'stop' | 'queued' | 'keys' | 'stateBytes'>;
  readonly stage: ModelStage | TensorStage;
  /** What counts the calls to the model. */
  readonly counted: { readonly batches: number };
  readonly operator: WindowOperator | ReadingOperator;
}

function build(parts: PipelineParts): Running {
  const model = parts.inference.model(parts.pipeline.model);
  return model.byName ? buildByName(parts, model) : buildWindows(parts, model);
}

/** Windows of numbers, for models that have an input with `from: window`. */
function buildWindows(parts: PipelineParts, model: ModelInfo): Running {
  const { pipeline, inference, clock } = parts;
  const { id, window, join, key } = pipeline;
  const plan = planColumns(pipeline, model, parts.sourceConfigs);
  const columns = new Columns(plan.names);
  const common = commonParts(parts);
  const { log } = common;
  const calls = new ModelCalls({
    account: `pipeline/${id}`,
    model: pipeline.model,
    columns: columns.count,
    inference,
    clock,
    log,
  });
  const stage = new ModelStage({ ...common, columns: columns.count, calls });
  const several = parts.source.streams.length > 1;
  let operator: WindowOperator | undefined;
  const consumer = new Consumer<ClosedWindow>({
    ...consumerParts(parts, log),
    stage,
    operator: (sink) => {
      operator = new WindowOperator({
        window,
        key,
        columns,
        maxKeys: parts.maxDevices,
        rows: plan.rows,
        within: several ? (join?.within ?? 1000) : 0,
        join: several ? (joined) => joiner(parts, joined) : undefined,
        sink,
      });
      return operator;
    },
    fingerprint: JSON.stringify([
      parts.source.streams,
      window,
      key,
      join ?? null,
      plan,
      model.recurrent && model.sha256,
    ]),
  });
  return { consumer, stage, counted: calls, operator: operator! };
}

/** Single readings, for models that take inputs by name. */
function buildByName(parts: PipelineParts, model: ModelInfo): Running {
  const { pipeline, inference } = parts;
  const { key, join, fields } = pipeline;
  checkInputs(pipeline, model, parts.sourceConfigs);
  const common = commonParts(parts);
  const stage = new TensorStage({ ...common, model: pipeline.model, fields, inference });
  let operator: ReadingOperator | undefined;
  const consumer = new Consumer<ReadingJob>({
    ...consumerParts(parts, common.log),
    stage,
    operator: (sink) => {
      operator = new ReadingOperator({
        perDevice: key === 'device',
        join: parts.source.streams.length > 1 ? (joined) => joiner(parts, joined) : undefined,
        sink,
      });
      return operator;
    },
    fingerprint: JSON.stringify([parts.source.streams, 'by name', key, join ?? null]),
  });
  return { consumer, stage, counted: stage, operator: operator! };
}

function joiner({ pipeline, maxDevices }: PipelineParts, sink: (reading: Reading) => void): Joiner {
  const { from, join } = pipeline;
  return new Joiner({
    streams: [from].flat(),
    within: join?.within ?? 1000,
    on: join?.on ?? 'device',
    mode: join?.mode ?? 'nearest',
    maxKeys: maxDevices,
    sink,
  });
}

/** What both kinds of stages need. */
function commonParts(parts: PipelineParts) {
  const { gateway, pipeline, meter, clock, results, rejected, published, shedding } = parts;
  const { id, deadline: deadlineMs } = pipeline;
  return {
    pipeline: id,
    text: new ResultText(`${gateway}/${id}`, id),
    meter,
    clock,
    log: parts.log.child(`pipeline ${id}`),
    deadlineMs,
    results: results.name,
    rejected: rejected.name,
    published,
    shedding,
  };
}

/** What both kinds of consumers need. */
function consumerParts(parts: PipelineParts, log: Log) {
  const { pipeline, store, clock, source, alarms } = parts;
  const { id, queue } = pipeline;
  return {
    name: pipelineConsumer(id),
    store,
    clock,
    log,
    source,
    queue,
    snapshotBytes: Math.min(
      parts.snapshotBytes ?? Number.MAX_SAFE_INTEGER,
      snapshotLimit(parts.sourceConfigs),
    ),
    failed: (error: Error) => {
      log.error({ err: error }, `pipeline ${id}: stopped, its readings stay in the journal until a restart`);
      alarms.raise({
        kind: 'pipeline-failed',
        severity: 'critical',
        message: `pipeline ${id} stopped: ${error.message}`,
        fix: 'Look at the log lines before this one and restart the gateway; no reading is lost meanwhile.',
        detail: { pipeline: id },
      });
    },
  };
}

/** A quarter of what the smallest source keeps, so that what a replay needs is still there. */
function snapshotLimit(sources: readonly (StreamConfig | undefined)[]): number {
  return Math.min(...sources.map((source) => (source?.journal.maxBytes ?? Number.MAX_SAFE_INTEGER) / 4));
}

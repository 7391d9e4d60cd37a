import { pipelineConsumer } from '../config/names.ts';
import type { PipelineConfig, StreamConfig } from '../config/schema.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Meter } from '../ports/meter.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { Columns } from '../stream/columns.ts';
import { Joiner } from '../stream/join.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { planColumns } from './column-plan.ts';
import { Consumer } from './consumer.ts';
import { ModelCalls } from './model-calls.ts';
import { ModelStage } from './model-stage.ts';
import { ResultText } from './result-json.ts';
import type { RecordSource } from './source.ts';
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
    const { consumer, stage, calls, operator } = this.#running;
    const { latency } = stage;
    return {
      id: this.id,
      ...stage.counters,
      ...operator.windower.counters,
      unmatched: operator.joiner?.counters.unmatched ?? 0,
      queued: consumer.queued,
      batches: calls.batches,
      keys: consumer.keys,
      stateBytes: consumer.stateBytes,
      latency: {
        count: latency.count,
        sum: latency.sum,
        p50: latency.quantile(0.5),
        p99: latency.quantile(0.99),
      },
    };
  }
}

interface Running {
  readonly consumer: Consumer<ClosedWindow>;
  readonly stage: ModelStage;
  readonly calls: ModelCalls;
  readonly operator: WindowOperator;
}

function build(parts: PipelineParts): Running {
  const { gateway, pipeline, source, store, inference, clock, alarms } = parts;
  const { id, window, join, key, queue } = pipeline;
  const log = parts.log.child(`pipeline ${id}`);
  const model = inference.model(pipeline.model);
  const plan = planColumns(pipeline, model, parts.sourceConfigs);
  const columns = new Columns(plan.names);
  const calls = new ModelCalls({
    account: `pipeline/${id}`,
    model: pipeline.model,
    columns: columns.count,
    inference,
    clock,
    log,
  });
  const stage = new ModelStage({
    pipeline: id,
    columns: columns.count,
    calls,
    text: new ResultText(`${gateway}/${id}`, id),
    meter: parts.meter,
    clock,
    deadlineMs: pipeline.deadline,
    results: parts.results.name,
    rejected: parts.rejected.name,
    published: parts.published,
    shedding: parts.shedding,
  });
  const { streams } = source;
  const maxKeys = parts.maxDevices;
  let operator: WindowOperator | undefined;
  const consumer = new Consumer<ClosedWindow>({
    name: pipelineConsumer(id),
    store,
    clock,
    log,
    source,
    stage,
    queue,
    operator: (sink) => {
      operator = new WindowOperator({
        window,
        key,
        columns,
        maxKeys,
        rows: plan.rows,
        within: streams.length < 2 ? 0 : (join?.within ?? 1000),
        join:
          streams.length < 2
            ? undefined
            : (joined) =>
                new Joiner({
                  streams: [pipeline.from].flat(),
                  within: join?.within ?? 1000,
                  on: join?.on ?? 'device',
                  mode: join?.mode ?? 'nearest',
                  maxKeys,
                  sink: joined,
                }),
        sink,
      });
      return operator;
    },
    fingerprint: JSON.stringify([streams, window, key, join ?? null, plan, model.recurrent && model.sha256]),
    snapshotBytes: Math.min(
      parts.snapshotBytes ?? Number.MAX_SAFE_INTEGER,
      snapshotLimit(parts.sourceConfigs),
    ),
    failed: (error) => {
      log.error({ err: error }, `pipeline ${id}: stopped, its readings stay in the journal until a restart`);
      alarms.raise({
        kind: 'pipeline-failed',
        severity: 'critical',
        message: `pipeline ${id} stopped: ${error.message}`,
        fix: 'Look at the log lines before this one and restart the gateway; no reading is lost meanwhile.',
        detail: { pipeline: id },
      });
    },
  });
  return { consumer, stage, calls, operator: operator! };
}

/** A quarter of what the smallest source keeps, so that what a replay needs is still there. */
function snapshotLimit(sources: readonly (StreamConfig | undefined)[]): number {
  return Math.min(...sources.map((source) => (source?.journal.maxBytes ?? Number.MAX_SAFE_INTEGER) / 4));
}

import type { Config, PipelineConfig } from '../config/schema.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Meter } from '../ports/meter.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { ResultFeed } from '../ports/results.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { parseCondition } from '../stream/condition.ts';
import { openRejectedWindows, openResults } from '../system/document-streams.ts';
import { LatestResults } from './feed.ts';
import { Pipeline, type PipelineStats } from './pipeline.ts';
import { ResultPublisher } from './publish.ts';
import { SheddingAlarm } from './shedding-alarm.ts';
import { sourceOf } from './source-of.ts';

export { type Aggregates, createAggregates } from './aggregates.ts';

const DEFAULT_RESULT_TOPIC = 'aimx/result/{pipeline}/{device}';

export interface PipelinesParts {
  readonly config: Config;
  readonly store: Store;
  readonly readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly inference: Inference;
  /** Absent: results are not published locally, and wait in their streams for a publisher within their retention. */
  readonly publisher?: Publisher;
  /** Absent: nothing is billed. */
  readonly meter?: Meter;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Most bytes read between two snapshots of a pipeline's state. Default: by the size of the state. */
  readonly snapshotBytes?: number;
}

interface PublishStats {
  readonly published: number;
  readonly filtered: number;
  readonly failures: number;
}

export interface Pipelines {
  /** Rebuilds every pipeline's state and begins. Throws a coded error when a model is absent or does not fit. */
  start(signal: AbortSignal): Promise<void>;
  /** Lets what is under way finish, saves state. Idempotent; may follow a failed start. */
  stop(): Promise<void>;
  readonly feed: ResultFeed;
  /** Seq of the newest result of a pipeline; 0 when there is none. */
  head(pipeline: string): number;
  stats(): readonly (PipelineStats & { readonly publish: PublishStats | undefined })[];
}

/** Opens the result streams of all pipelines and builds their consumers; nothing runs before `start`. */
export function createPipelines(parts: PipelinesParts): Pipelines {
  const { config, store, clock, log, alarms } = parts;
  const { maxDevices } = config.limits;
  const feed = new LatestResults(
    config.pipelines.map(({ id }) => id),
    log,
  );
  const shedding = new SheddingAlarm(alarms, clock);
  const results = new Map(
    config.pipelines.map((pipeline) => [pipeline.id, openResults(store, config, pipeline)]),
  );
  const pipelines = config.pipelines.map((pipeline) => {
    const own = results.get(pipeline.id)!;
    return new Pipeline({
      ...parts,
      meter: parts.meter,
      snapshotBytes: parts.snapshotBytes,
      gateway: config.gateway.name,
      pipeline,
      maxDevices,
      source: sourceOf([pipeline.from].flat(), parts.readingStreams, results),
      sourceConfigs: [pipeline.from].flat().map((id) => config.streams.find((stream) => stream.id === id)),
      results: own,
      rejected: openRejectedWindows(store, config, pipeline),
      published: (device, json) => feed.put(pipeline.id, device, json),
      shedding: (count) => shedding.note(pipeline.id, count),
    });
  });
  const publishers = new Map<string, ResultPublisher>();
  if (parts.publisher) {
    for (const pipeline of config.pipelines) {
      publishers.set(pipeline.id, publisherOf(pipeline, parts, parts.publisher, results.get(pipeline.id)!));
    }
  }
  return {
    feed,
    head: (pipeline) => results.get(pipeline)?.head ?? 0,
    async start(signal) {
      for (const [id, stream] of results) await feed.refill(id, stream);
      for (const publisher of publishers.values()) publisher.start();
      for (const pipeline of pipelines) await pipeline.start(signal);
    },
    async stop() {
      shedding.stop();
      await Promise.all(pipelines.map((pipeline) => pipeline.stop()));
      await Promise.all([...publishers.values()].map((publisher) => publisher.stop()));
    },
    stats: () =>
      pipelines.flatMap((pipeline) => {
        const stats = pipeline.stats();
        return stats ? [{ ...stats, publish: publishers.get(pipeline.id)?.counters }] : [];
      }),
  };
}

function publisherOf(
  { id, publish }: PipelineConfig,
  { config, store, clock, log }: PipelinesParts,
  publisher: Publisher,
  results: JournalStream<string>,
): ResultPublisher {
  return new ResultPublisher({
    pipeline: id,
    gateway: config.gateway.name,
    store,
    results,
    publisher,
    topic: publish.topic ?? DEFAULT_RESULT_TOPIC,
    qos: publish.qos,
    retain: publish.retain,
    when: publish.when === undefined ? undefined : parseCondition(publish.when),
    clock,
    log: log.child(`publish ${id}`),
  });
}

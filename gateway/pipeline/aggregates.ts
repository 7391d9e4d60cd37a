import { aggregateConsumer, aggregateId } from '../config/names.ts';
import type { AggregateConfig, Config } from '../config/schema.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { Aggregator, type ClosedAggregate } from '../stream/aggregator.ts';
import { openAggregate, openResults } from '../system/document-streams.ts';
import { AggregateStage } from './aggregate-stage.ts';
import { Consumer } from './consumer.ts';
import { sourceOf } from './source-of.ts';

/** Journal of a source that is not a stream of the configuration. */
const SOURCE_BYTES = 64 * 1024 * 1024;

export interface AggregatesParts {
  readonly config: Config;
  readonly store: Store;
  readonly readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Most bytes read between two snapshots of the partial aggregates. Default: by their size. */
  readonly snapshotBytes?: number;
}

interface AggregateStats {
  readonly id: string;
  readonly documents: number;
  readonly late: number;
  readonly unusable: number;
  readonly overflow: number;
  readonly keys: number;
  readonly stateBytes: number;
}

export interface Aggregates {
  /** Rebuilds partial aggregates and begins. */
  start(signal: AbortSignal): Promise<void>;
  /** Saves partial aggregates. Idempotent; may follow a failed start. */
  stop(): Promise<void>;
  stats(): readonly AggregateStats[];
}

/** Opens the aggregates' streams and builds their consumers; nothing runs before `start`. */
export function createAggregates(parts: AggregatesParts): Aggregates {
  const all = parts.config.aggregates.map((aggregate) => build(aggregate, parts));
  return {
    async start(signal) {
      for (const { consumer } of all) await consumer.start(signal);
    },
    async stop() {
      await Promise.all(all.map(({ consumer }) => consumer.stop()));
    },
    stats: () =>
      all.map(({ id, consumer, stage, operator }) => ({
        id,
        ...stage.counters,
        ...operator.counters,
        keys: consumer.keys,
        stateBytes: consumer.stateBytes,
      })),
  };
}

function build(
  aggregate: AggregateConfig,
  { config, store, readingStreams, clock, log: parent, snapshotBytes }: AggregatesParts,
) {
  const id = aggregateId(aggregate);
  const log = parent.child(`aggregate ${id}`);
  const { every, by, stats, fields, from } = aggregate;
  const lateness = by === 'event' ? aggregate.lateness : 0;
  const { maxDevices } = config.limits;
  const output = openAggregate(store, config, aggregate);
  const stage = new AggregateStage({
    gateway: config.gateway.name,
    aggregate: id,
    stream: from,
    length: every,
    stats,
    output: output.name,
  });
  const results = new Map(
    config.pipelines.map((pipeline) => [pipeline.id, openResults(store, config, pipeline)]),
  );
  const quantiles = stats.some((name) => /^p\d/.test(name));
  let operator: Aggregator | undefined;
  const consumer = new Consumer<ClosedAggregate>({
    name: aggregateConsumer(id),
    store,
    clock,
    log,
    source: sourceOf([from], readingStreams, results),
    stage,
    operator: (sink) => {
      operator = new Aggregator({
        length: every,
        by,
        lateness,
        fields,
        quantiles,
        maxKeys: maxDevices,
        sink,
      });
      return operator;
    },
    fingerprint: JSON.stringify([from, every, by, lateness, fields ?? null, quantiles]),
    queue: { max: 100_000, whenFull: 'wait' },
    snapshotBytes: Math.min(
      snapshotBytes ?? Number.MAX_SAFE_INTEGER,
      (config.streams.find((stream) => stream.id === from)?.journal.maxBytes ?? SOURCE_BYTES) / 4,
    ),
    failed: (error) =>
      log.error({ err: error }, `aggregate ${id}: stopped, its readings stay in the journal until a restart`),
  });
  return { id, consumer, stage, operator: operator! };
}

import { aggregateId, type Kind, upstreamConsumer } from '../config/names.ts';
import type { Config, UpstreamConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { openReadingStreams } from '../ingest/index.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Sink, UpstreamRecord } from '../ports/sink.ts';
import type { JournalStream, Store } from '../store/types.ts';
import {
  openAggregate,
  openAlarms,
  openReceipts,
  openRejectedRecords,
  openResults,
} from '../system/document-streams.ts';
import { type Documenter, readingDocuments, textDocuments } from './documents.ts';
import { Feed } from './feed.ts';
import { Forwarder, type ForwarderStats } from './forwarder.ts';
import { SharedAlarm } from './shared-alarm.ts';

export type { ForwarderStats } from './forwarder.ts';

export interface ForwarderSetParts {
  readonly config: Config;
  readonly store: Store;
  /** By the id of their `upstream` entry. */
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

export interface Forwarders {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  stats(): readonly ForwarderStats[];
}

/** One forwarder for each configured sink. @throws GatewayError UPSTREAM_SINK when a sink is missing */
export function createForwarders(parts: ForwarderSetParts): Forwarders {
  const { config, store, clock, alarms, random = Math.random } = parts;
  const log = parts.log.child('upstream');
  const fix = 'Check the network and the receiver; records wait in the outbox, see `aimx-gateway status`.';
  const down = new SharedAlarm(alarms, 'uplink-down', fix);
  const full = new SharedAlarm(alarms, 'outbox-full', 'Bring the uplink back, or raise `buffer.maxBytes`.');
  const forwarders = config.upstream.map((upstream) => {
    const sink = parts.sinks.get(upstream.id);
    if (!sink) throw new GatewayError('UPSTREAM_SINK', `upstream ${upstream.id} has no sink`);
    openRejectedRecords(store, config, upstream.id);
    const feeds = feedsOf(config, upstream, store);
    const consumer = upstreamConsumer(upstream.id);
    return new Forwarder({
      sink,
      consumer,
      feeds,
      quota: upstream.buffer,
      store,
      clock,
      log,
      down,
      full,
      random,
    });
  });
  return {
    name: 'upstream',
    async start(signal) {
      for (const forwarder of forwarders) await forwarder.start(signal);
    },
    async stop() {
      await Promise.all(forwarders.map((forwarder) => forwarder.stop()));
    },
    stats: () => forwarders.map((forwarder) => forwarder.stats()),
  };
}

/** The streams a sink sends, in the order of its `send` setting. */
function feedsOf(config: Config, upstream: UpstreamConfig, store: Store): Feed[] {
  const gateway = config.gateway.name;
  const text = (journal: JournalStream<string>, kind: UpstreamRecord['kind'], source: string) =>
    feed(journal, textDocuments(gateway, kind, source));
  const feeds: Readonly<Record<Kind, () => Feed[]>> = {
    readings: () =>
      [...openReadingStreams(config, store)].map(([id, journal]) =>
        feed(journal, readingDocuments(gateway, id)),
      ),
    results: () =>
      config.pipelines.map((pipeline) => text(openResults(store, config, pipeline), 'result', pipeline.id)),
    aggregates: () =>
      config.aggregates.map((aggregate) =>
        text(openAggregate(store, config, aggregate), 'aggregate', aggregateId(aggregate)),
      ),
    alarms: () => [text(openAlarms(store, config), 'alarm', 'alarm')],
    receipts: () => [text(openReceipts(store, config), 'receipt', 'receipt')],
  };
  return [...new Set(upstream.send)].flatMap((kind) => feeds[kind]());
}

function feed<T>(journal: JournalStream<T>, document: Documenter<T>): Feed {
  return new Feed(journal as JournalStream<unknown>, document as Documenter<unknown>);
}

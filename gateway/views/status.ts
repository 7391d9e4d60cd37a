import { aggregateId, pipelineConsumer } from '../config/names.ts';
import type {
  BillingView,
  PipelineView,
  ResultView,
  SinkView,
  StatusView,
  StreamView,
} from '../http/index.ts';
import { version } from '../system/version.ts';
import type { ViewParts } from './parts.ts';

/** What changes over the life of the process and is kept by the views themselves. */
export interface Live {
  readonly state: StatusView['state'];
  readonly startedAt: number;
  readonly billing: BillingView | null;
  /** Newest first. */
  readonly results: readonly ResultView[];
}

export function statusOf(parts: ViewParts, live: Live): StatusView {
  const { config, clock, store } = parts;
  const { full, commits, lastCommitMs, damagedRecords, fileBytes } = store.health;
  const intake = parts.intake.stats();
  return {
    gateway: config.gateway.name,
    version: version(),
    state: live.state,
    startedAt: live.startedAt,
    now: clock.now(),
    timeSynced: clock.synced(),
    durability: config.durability,
    doors: [...parts.addresses()],
    connections: parts.connections(),
    turnedAway: parts.turnedAway(),
    store: { full, commits, lastCommitMs, damagedRecords, fileBytes },
    modelHost: modelHostOf(parts),
    requests: parts.requests(),
    unrouted: intake.unrouted,
    streams: config.streams.map(({ id }) => streamOf(parts, id, intake.streams[id])),
    pipelines: pipelinesOf(parts),
    aggregates: aggregatesOf(parts),
    upstream: sinksOf(parts),
    billing: live.billing,
    alarms: parts.alarms
      .active()
      .map(({ kind, severity, message, fix }) => ({ kind, severity, message, fix })),
    results: [...live.results],
  };
}

function modelHostOf({ inference }: ViewParts): StatusView['modelHost'] {
  const { host, waiting, inFlight } = inference.stats();
  return { pid: host.pid ?? null, rss: host.rss, restarts: host.restarts, waiting, inFlight };
}

interface Counts {
  readonly accepted: number;
  readonly rejected: number;
  readonly refused: number;
}

function streamOf(parts: ViewParts, id: string, counts: Counts | undefined): StreamView {
  const journal = parts.readingStreams.get(id)!;
  const { records, bytes } = journal.stats();
  let devices = 0;
  let lastArrival: number | null = null;
  for (const device of journal.devices()) {
    devices++;
    if (lastArrival === null || device.lastArrival > lastArrival) lastArrival = device.lastArrival;
  }
  const { accepted = 0, rejected = 0, refused = 0 } = counts ?? {};
  return { id, accepted, rejected, refused, devices, records, bytes, lastArrival };
}

function pipelinesOf({ config, store, pipelines, readingStreams }: ViewParts): PipelineView[] {
  const stats = new Map(pipelines.stats().map((one) => [one.id, one]));
  return config.pipelines.map((pipeline) => {
    const from = [pipeline.from].flat();
    const one = stats.get(pipeline.id);
    const head = (id: string): number => readingStreams.get(id)?.head ?? pipelines.head(id);
    const consumer = pipelineConsumer(pipeline.id);
    const passed = store.cursors().filter((cursor) => cursor.consumer === consumer);
    const pending =
      from.reduce((sum, id) => sum + head(id), 0) - passed.reduce((sum, cursor) => sum + cursor.seq, 0);
    return {
      id: pipeline.id,
      from,
      model: pipeline.model,
      results: one?.results ?? 0,
      failed: one?.errors ?? 0,
      shed: one?.shed ?? 0,
      pending: Math.max(0, pending),
      latencyMs: one && one.latency.count > 0 ? { p50: one.latency.p50, p99: one.latency.p99 } : null,
    };
  });
}

function aggregatesOf({ config, aggregates }: ViewParts): StatusView['aggregates'] {
  const stats = new Map(aggregates.stats().map((one) => [one.id, one]));
  return config.aggregates.map((aggregate) => {
    const id = aggregateId(aggregate);
    return { id, from: aggregate.from, produced: stats.get(id)?.documents ?? 0 };
  });
}

function sinksOf({ config, clock, forwarders }: ViewParts): SinkView[] {
  const stats = new Map(forwarders.stats().map((one) => [one.id, one]));
  return config.upstream.map((upstream) => {
    const one = stats.get(upstream.id);
    const oldestAgeMs = one?.oldestAgeMs ?? null;
    return {
      id: upstream.id,
      kind: upstream.mqtt ? 'mqtt' : upstream.http ? 'http' : 'file',
      connected: one?.connected ?? false,
      sent: one?.delivered ?? 0,
      backlog: one?.pending.records ?? 0,
      backlogBytes: one?.pending.bytes ?? 0,
      dropped: (one?.refused ?? 0) + (one?.expired ?? 0),
      oldest: oldestAgeMs === null ? null : clock.now() - oldestAgeMs,
      lastError: one?.lastError?.reason ?? null,
    };
  });
}

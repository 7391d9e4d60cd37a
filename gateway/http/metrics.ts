import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Counter, Gauge, Registry } from 'prom-client';
import { type ModelLoad, modelMetrics } from './model-metrics.ts';
import type { StatusView } from './views.ts';

/**
 * Prometheus text. Labels are ids of the configuration (streams, pipelines, aggregates, sinks) and never devices or
 * clients, so that the number of series is fixed by gateway.yaml. Values are read when scraped.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #fill: ((status: StatusView) => void)[] = [];
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor() {
    this.#process();
    this.#gateway();
    this.#streams();
    this.#pipelines();
    this.#upstream();
    this.#billing();
  }

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(status: StatusView, models: readonly ModelLoad[]): Promise<string> {
    for (const fill of this.#fill) fill(status);
    return (await this.#registry.metrics()) + modelMetrics(models);
  }

  /** A gauge read from the status; labels come with the values. */
  #gauge(name: string, help: string, labels: readonly string[], read: Read): void {
    const gauge = new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry] });
    this.#fill.push((status) => {
      gauge.reset();
      for (const [value, label] of read(status)) gauge.set(label ?? {}, value);
    });
  }

  /** A counter whose total the parts keep themselves. */
  #counter(name: string, help: string, labels: readonly string[], read: Read): void {
    const counter = new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
    this.#fill.push((status) => {
      counter.reset();
      for (const [value, label] of read(status)) counter.inc(label ?? {}, value);
    });
  }

  #process(): void {
    this.#gauge('process_resident_memory_bytes', 'Resident memory of the core', [], () => [
      [process.memoryUsage.rss()],
    ]);
    this.#counter('process_cpu_seconds_total', 'CPU time of the core', [], () => {
      const { user, system } = process.cpuUsage();
      return [[(user + system) / 1e6]];
    });
    this.#gauge(
      'aimx_event_loop_delay_seconds',
      'Event loop delay since the last scrape',
      ['quantile'],
      () => {
        const values: [number, Labels][] = [50, 99].map((p) => [
          Math.max(0, this.#delay.percentile(p) / 1e9 || 0),
          { quantile: String(p / 100) },
        ]);
        this.#delay.reset();
        return values;
      },
    );
    this.#gauge(
      'aimx_event_loop_utilization',
      'Share of time the core was busy since the last scrape',
      [],
      () => {
        const now = performance.eventLoopUtilization();
        const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
        this.#utilization = now;
        return [[utilization]];
      },
    );
  }

  #gateway(): void {
    this.#gauge('aimx_info', 'Constant 1 with the version', ['version'], (s) => [
      [1, { version: s.version }],
    ]);
    this.#gauge('aimx_ready', '1 when every part runs', [], (s) => [[s.state === 'ready' ? 1 : 0]]);
    this.#gauge('aimx_start_time_seconds', 'When it started', [], (s) => [[s.startedAt / 1000]]);
    this.#gauge('aimx_time_synced', '1 when the wall clock is believed', [], (s) => [[s.timeSynced ? 1 : 0]]);
    this.#gauge('aimx_mqtt_connections', 'MQTT clients connected', [], (s) => [[s.connections]]);
    this.#counter('aimx_mqtt_turned_away_total', 'What bounds of the MQTT broker refused', ['what'], (s) =>
      Object.entries(s.turnedAway).map(([what, count]) => [count, { what }]),
    );
    this.#counter(
      'aimx_requests_total',
      'Inference requests from outside, by what became of them',
      ['what'],
      (s) =>
        (['answered', 'failed', 'shed', 'repeated'] as const).map((what) => [s.requests[what], { what }]),
    );
    this.#gauge('aimx_requests_in_flight', 'Inference requests waiting for their answer', [], (s) => [
      [s.requests.inFlight],
    ]);
    this.#counter('aimx_unrouted_total', 'Messages no stream maps', [], (s) => [[s.unrouted]]);
    this.#gauge('aimx_alarms', 'Active alarms', ['severity'], (s) =>
      ['info', 'warning', 'critical'].map((severity) => [
        s.alarms.filter((alarm) => alarm.severity === severity).length,
        { severity },
      ]),
    );
    this.#counter('aimx_store_commits_total', 'Group commits', [], (s) => [[s.store.commits]]);
    this.#gauge('aimx_store_commit_seconds', 'Duration of the last commit', [], (s) => [
      [s.store.lastCommitMs / 1000],
    ]);
    this.#gauge('aimx_store_file_bytes', 'Size of the database', [], (s) => [[s.store.fileBytes]]);
    this.#gauge('aimx_store_full', '1 while nothing can be stored', [], (s) => [[s.store.full ? 1 : 0]]);
    this.#counter('aimx_store_damaged_records_total', 'Records lost to damage', [], (s) => [
      [s.store.damagedRecords],
    ]);
  }

  #streams(): void {
    const each =
      (read: (stream: StatusView['streams'][number]) => number): Read =>
      (s) =>
        s.streams.map((stream) => [read(stream), { stream: stream.id }]);
    this.#counter(
      'aimx_stream_accepted_total',
      'Readings stored',
      ['stream'],
      each((s) => s.accepted),
    );
    this.#counter(
      'aimx_stream_rejected_total',
      'Payloads put aside',
      ['stream'],
      each((s) => s.rejected),
    );
    this.#counter(
      'aimx_stream_refused_total',
      'Messages not acknowledged',
      ['stream'],
      each((s) => s.refused),
    );
    this.#gauge(
      'aimx_stream_devices',
      'Devices seen',
      ['stream'],
      each((s) => s.devices),
    );
    this.#gauge(
      'aimx_stream_records',
      'Readings kept',
      ['stream'],
      each((s) => s.records),
    );
    this.#gauge(
      'aimx_stream_bytes',
      'Bytes kept',
      ['stream'],
      each((s) => s.bytes),
    );
  }

  #pipelines(): void {
    const each =
      (read: (pipeline: StatusView['pipelines'][number]) => number): Read =>
      (s) =>
        s.pipelines.map((pipeline) => [read(pipeline), { pipeline: pipeline.id }]);
    this.#counter(
      'aimx_pipeline_results_total',
      'Results',
      ['pipeline'],
      each((p) => p.results),
    );
    this.#counter(
      'aimx_pipeline_failed_total',
      'Windows without an answer',
      ['pipeline'],
      each((p) => p.failed),
    );
    this.#counter(
      'aimx_pipeline_shed_total',
      'Windows given up',
      ['pipeline'],
      each((p) => p.shed),
    );
    this.#gauge(
      'aimx_pipeline_pending',
      'Readings not yet passed',
      ['pipeline'],
      each((p) => p.pending),
    );
    this.#gauge('aimx_pipeline_latency_seconds', 'Arrival to result', ['pipeline', 'quantile'], (s) =>
      s.pipelines.flatMap((p): [number, Labels][] =>
        p.latencyMs
          ? [
              [p.latencyMs.p50 / 1000, { pipeline: p.id, quantile: '0.5' }],
              [p.latencyMs.p99 / 1000, { pipeline: p.id, quantile: '0.99' }],
            ]
          : [],
      ),
    );
    this.#counter('aimx_aggregate_records_total', 'Aggregates made', ['aggregate'], (s) =>
      s.aggregates.map((a) => [a.produced, { aggregate: a.id }]),
    );
  }

  #upstream(): void {
    const each =
      (read: (sink: StatusView['upstream'][number]) => number): Read =>
      (s) =>
        s.upstream.map((sink) => [read(sink), { sink: sink.id }]);
    this.#gauge(
      'aimx_upstream_connected',
      '1 while the sink takes records',
      ['sink'],
      each((u) => (u.connected ? 1 : 0)),
    );
    this.#counter(
      'aimx_upstream_sent_total',
      'Records acknowledged',
      ['sink'],
      each((u) => u.sent),
    );
    this.#counter(
      'aimx_upstream_dropped_total',
      'Records given up',
      ['sink'],
      each((u) => u.dropped),
    );
    this.#gauge(
      'aimx_upstream_backlog',
      'Records waiting',
      ['sink'],
      each((u) => u.backlog),
    );
    this.#gauge(
      'aimx_upstream_backlog_bytes',
      'Bytes waiting',
      ['sink'],
      each((u) => u.backlogBytes),
    );
  }

  #billing(): void {
    this.#gauge('aimx_billing_receipts', 'Receipts stored', [], (s) =>
      s.billing ? [[s.billing.receipts]] : [],
    );
    this.#gauge('aimx_billing_pending', 'Receipts in no final batch', [], (s) =>
      s.billing ? [[s.billing.pending]] : [],
    );
    const customers = (name: string, help: string, read: (c: Customers) => number): void =>
      this.#gauge(name, help, [], (s) => (s.billing?.customers ? [[read(s.billing.customers)]] : []));
    customers('aimx_billing_channels', 'Channels with customers', (c) => c.channels);
    customers('aimx_billing_channels_stopped', 'Channels that are not served now', (c) => c.stopped);
    customers('aimx_billing_refused', 'Requests on channels refused since the start', (c) => c.refused);
    customers('aimx_billing_unacknowledged_aimx', 'Served and not acknowledged', (c) =>
      tokens(c.unacknowledged),
    );
    customers('aimx_billing_unpaid_aimx', 'Served and not paid', (c) => tokens(c.unpaid));
  }
}

type Labels = Readonly<Record<string, string>>;
type Read = (status: StatusView) => readonly (readonly [number, Labels?])[];

type Customers = NonNullable<NonNullable<StatusView['billing']>['customers']>;

/** Precise enough for a plot. */
const tokens = (units: string): number => Number(BigInt(units)) / 1e18;

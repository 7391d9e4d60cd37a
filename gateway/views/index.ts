import { join } from 'node:path';
import type { BillingView, HealthView, OverviewView, ResultView, StatusView, Views } from '../http/index.ts';
import { listRejected } from '../ingest/index.ts';
import { openRejected } from '../system/document-streams.ts';
import type { Part } from '../system/lifecycle.ts';
import { benchEntries, benchReport } from './bench.ts';
import {
  readBatch,
  readBatches,
  readBilling,
  readProof,
  readReceipt,
  readReceipts,
  readSummary,
} from './billing.ts';
import { deviceDetail, devicePage } from './devices.ts';
import { History } from './history/index.ts';
import { createLive } from './live/index.ts';
import { modelComparison, modelFamily, modelViews } from './models.ts';
import { overviewOf } from './overview.ts';
import type { ViewParts } from './parts.ts';
import { pipelineDetails, resultsOf } from './pipelines.ts';
import { Plots } from './plots.ts';
import { Sampler } from './sampler.ts';
import { statusOf } from './status.ts';
import { streamDetails } from './streams.ts';
import { sinkDetails } from './upstream.ts';

export type { ViewParts } from './parts.ts';

/** Newest results kept for the status page. */
const NEWEST = 20;
const BILLING_EVERY_MS = 2000;
/** A commit that takes longer than this means that the disk hangs. */
const COMMIT_STUCK_MS = 30_000;

/** What the HTTP interface shows, over the parts of the gateway. */
export interface GatewayViews extends Views, Part {
  /** Everything has started. */
  ready(): void;
  stopping(): void;
}

export function createViews(parts: ViewParts): GatewayViews {
  const { config, clock, store, inference, pipelines } = parts;
  const log = parts.log.child('views');
  /** JSON texts, oldest first: parsed only when somebody looks, because results come by the thousand. */
  const recent: string[] = [];
  const plots = new Plots(parts);
  const sampler = new Sampler(parts);
  const history = new History(parts);
  const benchDir = join(config.gateway?.dataDir ?? '', 'bench');
  let state: StatusView['state'] = 'starting';
  let startedAt = clock.now();
  let billing: BillingView | null = null;
  let unsubscribe: (() => void) | undefined;
  let cancel: (() => void) | undefined;

  const refreshBilling = async (): Promise<void> => {
    try {
      const { customers } = parts.billing.stats();
      billing = { ...(await readBilling(store, config)), ...(customers ? { customers } : {}) };
    } catch (error) {
      if (state !== 'stopping')
        log.warn({ error: String(error) }, 'views: cannot read the receipts, trying again');
    }
    if (cancel) cancel = clock.after(BILLING_EVERY_MS, () => void refreshBilling());
  };

  const status = (): StatusView => statusOf(parts, { state, startedAt, billing, results: newestOf(recent) });

  const overview = (): OverviewView => overviewOf(parts, status(), sampler, alarmCounts(parts));

  return {
    name: 'views',
    ready: () => {
      state = 'ready';
    },
    stopping: () => {
      state = 'stopping';
    },
    async start() {
      startedAt = clock.now();
      unsubscribe = pipelines.feed.subscribe((pipeline, _device, json) => {
        plots.put(pipeline, json);
        recent.push(json);
        if (recent.length > 2 * NEWEST) recent.splice(0, recent.length - NEWEST);
      });
      sampler.start();
      cancel = () => {};
      await refreshBilling();
    },
    async stop() {
      sampler.stop();
      unsubscribe?.();
      cancel?.();
      cancel = undefined;
    },
    health: (): HealthView => {
      const stuck = store.health.commitWaitMs > COMMIT_STUCK_MS;
      const reasons = parts.alarms
        .active()
        .filter(({ severity }) => severity === 'critical')
        .map(({ message }) => message);
      if (state !== 'ready') reasons.unshift(`the gateway is ${state}`);
      return { live: !stuck, ready: state === 'ready' && !store.health.full, reasons };
    },
    status,
    overview,
    live: createLive(parts, overview),
    rates: () => sampler.rates(),
    streams: () => streamDetails(parts, status().streams, sampler),
    readings: (stream, query, signal) => history.readings(stream, query, signal),
    pipelines: () => pipelineDetails(parts, status().pipelines, sampler),
    pipelineResults: (pipeline, query) => resultsOf(parts, pipeline, query),
    upstream: () => sinkDetails(parts, status().upstream, sampler),
    devices: (query) => devicePage(parts, query),
    device: (name) => deviceDetail(parts, name),
    models: () => modelViews(parts),
    modelFamily: (name) => modelFamily(parts, name),
    modelComparison: (name) => modelComparison(parts, name),
    alarms: ({ limit, state: wanted }) =>
      parts.alarmLog
        .list()
        .filter((one) => wanted === 'all' || one.state === wanted)
        .slice(0, limit),
    modelLoads: () => {
      const { models } = inference.stats();
      return inference.list().flatMap(({ name, version }) => {
        const stats = models[`${name}@${version}`];
        return stats ? [{ name, version, ...stats }] : [];
      });
    },
    plots: () => plots.read(),
    results: ({ limit, pipeline, device }) => {
      const found: ResultView[] = [];
      for (const id of pipeline ? [pipeline] : pipelines.feed.pipelines()) {
        for (const name of device ? [device] : pipelines.feed.devices(id)) {
          const json = pipelines.feed.latest(id, name);
          if (json !== undefined) found.push(JSON.parse(json) as ResultView);
          if (found.length >= 10 * limit) break;
        }
      }
      return found.sort((a, b) => b.time - a.time).slice(0, limit);
    },
    billing: () => readSummary(store, config, parts.billing.stats().device),
    receipts: (query) => readReceipts(store, query),
    receipt: (id) => readReceipt(store, id),
    receiptProof: (id) => readProof(store, id),
    batches: (query) => readBatches(store, query),
    batch: (id) => readBatch(store, id),
    bench: () => benchEntries(benchDir),
    benchReport: (id) => benchReport(benchDir, id),
    rejected: async ({ limit, stream }) => {
      const ids = stream ? config.streams.filter(({ id }) => id === stream) : config.streams;
      const lists = await Promise.all(
        ids.map(async ({ id }) =>
          (await listRejected(openRejected(store, config, id), limit)).map(({ seq, document }) => ({
            stream: id,
            seq,
            ...document,
          })),
        ),
      );
      return lists
        .flat()
        .sort((a, b) => b.time - a.time)
        .slice(0, limit);
    },
    audit: async () =>
      (await store.audit()).map((row) => ({ ...row, consumers: row.consumers.map((one) => ({ ...one })) })),
  };
}

const newestOf = (recent: readonly string[]): ResultView[] =>
  recent
    .slice(-NEWEST)
    .reverse()
    .map((json) => JSON.parse(json) as ResultView);

function alarmCounts({ alarmLog }: ViewParts): OverviewView['alarms'] {
  const active = alarmLog.list().filter(({ state }) => state === 'active');
  const count = (severity: string): number => active.filter((one) => one.severity === severity).length;
  return {
    critical: count('critical'),
    warning: count('warning'),
    info: count('info'),
    unacknowledged: active.filter(({ acknowledged }) => acknowledged === null).length,
  };
}

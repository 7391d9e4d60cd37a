import type {
  BillingView,
  DeviceView,
  HealthView,
  ModelView,
  ResultView,
  StatusView,
  Views,
} from '../http/index.ts';
import { listRejected } from '../ingest/index.ts';
import { openRejected } from '../system/document-streams.ts';
import type { Part } from '../system/lifecycle.ts';
import { readBilling, readReceipts } from './billing.ts';
import type { ViewParts } from './parts.ts';
import { Plots } from './plots.ts';
import { statusOf } from './status.ts';

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
  let state: StatusView['state'] = 'starting';
  let startedAt = clock.now();
  let billing: BillingView | null = null;
  let unsubscribe: (() => void) | undefined;
  let cancel: (() => void) | undefined;

  const refreshBilling = async (): Promise<void> => {
    try {
      billing = await readBilling(store, config);
    } catch (error) {
      if (state !== 'stopping')
        log.warn({ error: String(error) }, 'views: cannot read the receipts, trying again');
    }
    if (cancel) cancel = clock.after(BILLING_EVERY_MS, () => void refreshBilling());
  };

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
      cancel = () => {};
      await refreshBilling();
    },
    async stop() {
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
    status: () => statusOf(parts, { state, startedAt, billing, results: newestOf(recent) }),
    devices: ({ limit, stream }) => devicesOf(parts, limit, stream),
    models: () => {
      const { models } = inference.stats();
      return inference.list().map((model): ModelView => {
        const stats = models[`${model.name}@${model.version}`];
        const failed = Object.values(stats?.failures ?? {}).reduce((sum, count) => sum + count, 0);
        return {
          name: model.name,
          version: model.version,
          sha256: model.sha256,
          runtime: model.runtime,
          state: model.state,
          reason: model.reason?.message ?? null,
          life: model.life.state,
          since: model.life.since,
          share: model.life.share ?? null,
          note: model.life.note ?? null,
          trial: model.trial ?? null,
          requests: (stats?.items ?? 0) + failed,
          failed,
        };
      });
    },
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
    receipts: (query) => readReceipts(store, query),
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

/** Devices of all streams by name, with their identity where they have one. */
function devicesOf(parts: ViewParts, limit: number, stream: string | undefined): DeviceView[] {
  const found = new Map<string, DeviceView['streams'][number][]>();
  for (const [id, journal] of parts.readingStreams) {
    if (stream !== undefined && stream !== id) continue;
    for (const { device, count, lastTime, lastArrival } of journal.devices()) {
      const list = found.get(device) ?? [];
      if (list.length === 0) found.set(device, list);
      list.push({ stream: id, readings: count, lastTime, lastArrival });
    }
  }
  const roles = new Map(parts.access.identities.devices().map(({ name, role }) => [name, role]));
  if (stream === undefined) for (const name of roles.keys()) if (!found.has(name)) found.set(name, []);
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([name, streams]) => ({ name, role: roles.get(name) ?? null, streams }));
}

import type { OverviewView, StatusView } from '../http/index.ts';
import type { ViewParts } from './parts.ts';
import { SAMPLE_MS, type Sampler } from './sampler.ts';

type Part = OverviewView['parts'][number];

/** The front page, out of what the status says. */
export function overviewOf(
  parts: ViewParts,
  status: StatusView,
  sampler: Sampler,
  alarms: OverviewView['alarms'],
): OverviewView {
  const { streams, pipelines, upstream, billing } = status;
  const input = sampler.total('s');
  const decided = sampler.total('p');
  const stats = parts.forwarders.stats();
  const seen = streams.map(({ lastArrival }) => lastArrival ?? 0);
  const p99 = pipelines.map(({ latencyMs }) => latencyMs?.p99 ?? 0);
  const sum = <T>(list: readonly T[], pick: (one: T) => number): number =>
    list.reduce((total, one) => total + pick(one), 0);
  const drains = stats.map(({ drainSeconds }) => drainSeconds);
  return {
    gateway: status.gateway,
    version: status.version,
    state: status.state,
    startedAt: status.startedAt,
    now: status.now,
    location: parts.location() ?? null,
    parts: healthOf(parts, status),
    in: {
      perSecond: input.at(-1) ?? 0,
      history: input,
      accepted: sum(streams, ({ accepted }) => accepted),
      rejected: sum(streams, ({ rejected }) => rejected),
      refused: sum(streams, ({ refused }) => refused),
      unrouted: status.unrouted,
      streams: streams.length,
      devices: Math.max(0, ...streams.map(({ devices }) => devices)),
      connections: status.connections,
      lastArrival: Math.max(0, ...seen) || null,
    },
    decided: {
      perSecond: decided.at(-1) ?? 0,
      history: decided,
      results: sum(pipelines, ({ results }) => results),
      failed: sum(pipelines, ({ failed }) => failed),
      shed: sum(pipelines, ({ shed }) => shed),
      pending: sum(pipelines, ({ pending }) => pending),
      requests: status.requests.answered,
      p99Ms: Math.max(0, ...p99) || null,
    },
    up: {
      sinks: upstream.length,
      connected: upstream.filter(({ connected }) => connected).length,
      perSecond: Math.round(100 * sum(stats, ({ rate }) => rate)) / 100,
      sent: sum(upstream, ({ sent }) => sent),
      backlog: sum(upstream, ({ backlog }) => backlog),
      backlogBytes: Math.round(sum(upstream, ({ backlogBytes }) => backlogBytes)),
      dropped: sum(upstream, ({ dropped }) => dropped),
      emptyAt: drains.includes(null)
        ? null
        : Math.round(status.now + 1000 * Math.max(0, ...drains.map((seconds) => seconds ?? 0))),
    },
    owed: billing && {
      amount: billing.amount,
      pending: billing.pending,
      receipts: billing.receipts,
      symbol: billing.symbol,
      decimals: billing.decimals,
      chainId: billing.chainId,
    },
    alarms,
    sampleMs: SAMPLE_MS,
  };
}

function healthOf({ config, alarms, store }: ViewParts, status: StatusView): Part[] {
  const active = alarms.active();
  const raised = (...beginnings: string[]): boolean =>
    active.some(({ kind }) => beginnings.some((beginning) => kind.startsWith(beginning)));
  const away = status.upstream.filter(({ connected }) => !connected).length;
  const refused = raised('model-');
  return [
    status.timeSynced
      ? part('clock', 'ok', 'clock-set', 'the clock is set')
      : part('clock', 'warning', 'clock-not-set', 'the clock is not set: no receipt is signed'),
    status.doors.length > 0
      ? part('doors', 'ok', 'doors-open', `${status.doors.length} doors open`)
      : part('doors', 'critical', 'doors-closed', 'no door is open'),
    status.store.full
      ? part('store', 'critical', 'store-full', 'there is no room to store anything')
      : raised('store-', 'journal-')
        ? part('store', 'warning', 'store-alarm', 'the store has an alarm')
        : part('store', 'ok', 'store-fine', `last commit took ${store.health.lastCommitMs.toFixed(1)} ms`),
    refused
      ? part('models', 'warning', 'model-alarm', 'a model has an alarm')
      : part('models', 'ok', 'models-fine', 'models answer'),
    status.pipelines.length === 0
      ? part('pipelines', 'off', 'pipelines-none', 'no pipeline is configured')
      : status.pipelines.some(({ failed, shed }) => failed + shed > 0)
        ? part('pipelines', 'warning', 'pipelines-failing', 'windows could not be answered')
        : part('pipelines', 'ok', 'pipelines-fine', `${status.pipelines.length} pipelines`),
    status.upstream.length === 0
      ? part('upstream', 'off', 'upstream-none', 'no upstream is configured')
      : away > 0
        ? part(
            'upstream',
            'warning',
            'upstream-away',
            `${away} of ${status.upstream.length} away; records wait`,
          )
        : part('upstream', 'ok', 'upstream-connected', 'connected'),
    config.billing?.chain
      ? raised('billing-', 'chain-', 'ledger-')
        ? part('billing', 'warning', 'billing-alarm', 'posting has an alarm')
        : part('billing', 'ok', 'billing-posting', 'receipts are posted')
      : part('billing', 'off', 'billing-local', 'receipts are kept here; no chain is configured'),
    config.flows.enabled
      ? raised('flow')
        ? part('flows', 'warning', 'flows-alarm', 'flows have an alarm')
        : part('flows', 'ok', 'flows-on', 'flows run')
      : part('flows', 'off', 'flows-off', 'flows are off'),
  ];
}

const part = (name: Part['part'], state: Part['state'], code: string, text: string): Part => ({
  part: name,
  state,
  text,
  code,
});

import type { UpstreamConfig } from '../config/schema.ts';
import type { SinkDetail, SinkView } from '../http/index.ts';
import type { ViewParts } from './parts.ts';
import { SAMPLE_MS, type Sampler } from './sampler.ts';

/** Samples that say where the backlog goes: half a minute. */
const TREND = 15;

/** Sinks with their backlog and what will become of it. */
export function sinkDetails(parts: ViewParts, views: readonly SinkView[], sampler: Sampler): SinkDetail[] {
  const stats = new Map(parts.forwarders.stats().map((one) => [one.id, one]));
  return views.map((view) => {
    const config = parts.config.upstream.find(({ id }) => id === view.id)!;
    const one = stats.get(view.id);
    const { records, bytes } = sampler.backlog(view.id);
    return {
      ...view,
      backlogBytes: Math.round(view.backlogBytes),
      to: addressOf(config),
      sends: [...config.send],
      perSecond: round(one?.rate ?? 0),
      refused: one?.refused ?? 0,
      expired: one?.expired ?? 0,
      quotaBytes: config.buffer.maxBytes,
      whenFull: config.buffer.whenFull,
      forecast: forecast(parts.clock.now(), {
        drainSeconds: one?.drainSeconds ?? null,
        backlog: view.backlog,
        free: config.buffer.maxBytes - view.backlogBytes,
        growth: slope(bytes),
      }),
      history: { every: SAMPLE_MS, backlog: [...records], bytes: [...bytes] },
    };
  });
}

interface Trend {
  readonly drainSeconds: number | null;
  readonly backlog: number;
  /** Bytes left of the quota. */
  readonly free: number;
  /** Bytes a second. */
  readonly growth: number;
}

/** @param now epoch ms */
export function forecast(
  now: number,
  { drainSeconds, backlog, free, growth }: Trend,
): SinkDetail['forecast'] {
  if (backlog === 0) return { state: 'empty', emptyAt: null, fullAt: null };
  if (drainSeconds !== null && growth <= 0)
    return { state: 'draining', emptyAt: Math.round(now + drainSeconds * 1000), fullAt: null };
  if (growth <= 0) return { state: 'steady', emptyAt: null, fullAt: null };
  return { state: 'growing', emptyAt: null, fullAt: Math.round(now + (Math.max(0, free) / growth) * 1000) };
}

/** Change a second over the newest samples, by least squares. */
export function slope(samples: readonly number[]): number {
  const recent = samples.slice(-TREND);
  const count = recent.length;
  if (count < 2) return 0;
  const middle = (count - 1) / 2;
  const mean = recent.reduce((sum, value) => sum + value, 0) / count;
  let above = 0;
  let below = 0;
  recent.forEach((value, i) => {
    above += (i - middle) * (value - mean);
    below += (i - middle) ** 2;
  });
  return (above / below) * (1000 / SAMPLE_MS);
}

/** Where it goes, without user name and password. */
function addressOf({ mqtt, http, file }: UpstreamConfig): string {
  const url = mqtt?.url ?? http?.url;
  if (url === undefined) return file!.path;
  if (!URL.canParse(url)) return url;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

const round = (value: number): number => Math.round(value * 100) / 100;

import type { AnomalyView } from '../types.ts';

/** Readings that came since the page asked, by device and field. */
export interface LiveReadings {
  readonly series: ReadonlyMap<
    string,
    { readonly times: readonly number[]; readonly values: readonly number[] }
  >;
  readonly anomalies: readonly AnomalyView[];
}

/** Longer periods are asked for again instead: a reading more is not seen in them. */
export const LIVE_MS = 900_000;
const MAX_POINTS = 2000;
const MAX_SERIES = 200;

interface ReadingsEvent {
  readonly series: readonly {
    readonly device: string;
    readonly field: string;
    readonly times: readonly number[];
    readonly values: readonly number[];
  }[];
}

/** With the readings of an event; older ones give way. */
export function addReadings(now: LiveReadings, event: unknown, device: string): LiveReadings {
  const series = new Map(now.series);
  for (const one of (event as ReadingsEvent).series) {
    if (device !== '' && one.device !== device) continue;
    const key = `${one.device}\n${one.field}`;
    const before = series.get(key);
    if (before === undefined && series.size >= MAX_SERIES) continue;
    series.set(key, {
      times: [...(before?.times ?? []), ...one.times].slice(-MAX_POINTS),
      values: [...(before?.values ?? []), ...one.values].slice(-MAX_POINTS),
    });
  }
  return { ...now, series };
}

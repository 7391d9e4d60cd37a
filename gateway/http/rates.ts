import type { StatusView } from './views.ts';

/** Rates of the last samples, for people: messages a second now, and a short history to draw. */
export interface Rates {
  /** Readings a second by stream, oldest sample first. */
  readonly streams: Readonly<Record<string, readonly number[]>>;
  /** Results a second by pipeline. */
  readonly pipelines: Readonly<Record<string, readonly number[]>>;
}

/** Samples kept: two minutes at one a {@link SAMPLE_MS}. */
const HISTORY = 60;
export const SAMPLE_MS = 2000;

/** Turns growing counts into rates. Bounded by the streams and pipelines that are configured. */
export class RateHistory {
  #last: { at: number; counts: Map<string, number> } | undefined;
  readonly #rates = new Map<string, number[]>();

  /** @param at monotonic ms */
  sample(at: number, status: Pick<StatusView, 'streams' | 'pipelines'>): void {
    const counts = new Map<string, number>();
    for (const stream of status.streams) counts.set(`s/${stream.id}`, stream.accepted);
    for (const pipeline of status.pipelines) counts.set(`p/${pipeline.id}`, pipeline.results);
    const before = this.#last;
    this.#last = { at, counts };
    if (!before || at <= before.at) return;
    for (const [key, value] of counts) {
      const rate = Math.max(0, ((value - (before.counts.get(key) ?? 0)) * 1000) / (at - before.at));
      const list = this.#rates.get(key) ?? [];
      list.push(Math.round(rate * 100) / 100);
      if (list.length > HISTORY) list.shift();
      this.#rates.set(key, list);
    }
  }

  rates(): Rates {
    const of = (prefix: string): Record<string, readonly number[]> =>
      Object.fromEntries(
        [...this.#rates].filter(([key]) => key.startsWith(prefix)).map(([key, list]) => [key.slice(2), list]),
      );
    return { streams: of('s/'), pipelines: of('p/') };
  }
}

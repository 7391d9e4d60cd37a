import type { ViewParts } from './parts.ts';

/** Samples kept: two minutes at one each {@link SAMPLE_MS}. */
const HISTORY = 60;
export const SAMPLE_MS = 2000;

type Rates = Readonly<Record<string, readonly number[]>>;

/** Turns growing counts into short histories for people. Bounded by what the configuration names. */
export class Sampler {
  readonly #parts: ViewParts;
  #last: { readonly at: number; readonly counts: ReadonlyMap<string, number> } | undefined;
  readonly #rates = new Map<string, number[]>();
  readonly #backlogs = new Map<string, { readonly records: number[]; readonly bytes: number[] }>();
  #cancel: (() => void) | undefined;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#sample();
    this.#cancel = this.#parts.clock.after(SAMPLE_MS, () => this.start());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Readings a second by stream and results a second by pipeline, oldest sample first. */
  rates(): { readonly streams: Rates; readonly pipelines: Rates } {
    const of = (prefix: string): Rates =>
      Object.fromEntries(
        [...this.#rates].filter(([key]) => key.startsWith(prefix)).map(([key, list]) => [key.slice(2), list]),
      );
    return { streams: of('s/'), pipelines: of('p/') };
  }

  /** The newest rate; 0 before there is one. */
  perSecond(kind: 's' | 'p', id: string): number {
    return this.#rates.get(`${kind}/${id}`)?.at(-1) ?? 0;
  }

  /** Sum of all rates of a kind, oldest sample first. */
  total(kind: 's' | 'p'): number[] {
    const lists = [...this.#rates].filter(([key]) => key.startsWith(`${kind}/`)).map(([, list]) => list);
    const length = Math.max(0, ...lists.map((list) => list.length));
    return Array.from({ length }, (_, i) =>
      round(lists.reduce((sum, list) => sum + (list.at(i - length) ?? 0), 0)),
    );
  }

  /** Records and bytes that waited for a sink, oldest sample first. */
  backlog(sink: string): { readonly records: readonly number[]; readonly bytes: readonly number[] } {
    return this.#backlogs.get(sink) ?? { records: [], bytes: [] };
  }

  #sample(): void {
    const { clock, intake, pipelines, forwarders } = this.#parts;
    const at = clock.monotonic();
    const counts = new Map<string, number>();
    for (const [id, { accepted }] of Object.entries(intake.stats().streams)) counts.set(`s/${id}`, accepted);
    for (const { id, results } of pipelines.stats()) counts.set(`p/${id}`, results);
    for (const { id, pending } of forwarders.stats()) {
      const list = this.#backlogs.get(id) ?? { records: [], bytes: [] };
      push(list.records, pending.records);
      push(list.bytes, Math.round(pending.bytes));
      this.#backlogs.set(id, list);
    }
    const before = this.#last;
    this.#last = { at, counts };
    if (!before || at <= before.at) return;
    for (const [key, value] of counts) {
      const list = this.#rates.get(key) ?? [];
      push(list, round(Math.max(0, ((value - (before.counts.get(key) ?? 0)) * 1000) / (at - before.at))));
      this.#rates.set(key, list);
    }
  }
}

function push(list: number[], value: number): void {
  list.push(value);
  if (list.length > HISTORY) list.shift();
}

const round = (value: number): number => Math.round(value * 100) / 100;

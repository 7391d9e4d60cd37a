import { GatewayError } from '../../errors.ts';
import type { ReadingsQuery, ReadingsView } from '../../http/index.ts';
import type { ReadingValue } from '../../ports/reading.ts';
import type { JournalStream } from '../../store/types.ts';
import { openResults } from '../../system/document-streams.ts';
import type { ViewParts } from '../parts.ts';
import { anomaliesOf } from './anomalies.ts';
import { type Budget, planReads, readPages } from './pages.ts';
import { type Span, spanOf } from './period.ts';
import { SeriesCollector } from './series.ts';

const BUDGET: Budget = { records: 60_000, bytes: 24 * 1024 * 1024 };
/** Devices shown when none is asked for: those heard of last. */
const DEVICES = 8;
/** Readings looked at when no period is asked for. */
const NEWEST = 4000;
/** Looks under way, one after the other, and waiting: each may take a second or two of a small machine. */
const MAX_WAITING = 16;

/** History of streams for people: thinned, with exact counts as long as the period fits a budget of work. */
export class History {
  readonly #parts: ViewParts;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  /** @throws GatewayError NOT_FOUND, HTTP_BUSY, HTTP_REQUEST */
  async readings(stream: string, query: ReadingsQuery, signal: AbortSignal): Promise<ReadingsView> {
    const journal = this.#parts.readingStreams.get(stream);
    if (!journal) {
      throw new GatewayError('NOT_FOUND', `there is no stream ${stream}`, {
        received: stream,
        expected: [...this.#parts.readingStreams.keys()].join(', '),
      });
    }
    if (query.from !== undefined && query.to !== undefined && query.from > query.to)
      throw new GatewayError('HTTP_REQUEST', 'query.from: lies after query.to');
    if (this.#waiting >= MAX_WAITING) throw new GatewayError('HTTP_BUSY', 'too many plots are being made');
    this.#waiting++;
    const before = this.#last;
    const turn = before.then(() => this.#read(stream, journal, query, signal));
    this.#last = turn.then(
      () => {},
      () => {},
    );
    return await turn.finally(() => {
      this.#waiting--;
    });
  }

  async #read(
    stream: string,
    journal: JournalStream<ReadingValue>,
    query: ReadingsQuery,
    signal: AbortSignal,
  ): Promise<ReadingsView> {
    const { device, field, points } = query;
    const known = [...journal.devices()];
    const devices = device === undefined ? heardLast(known) : [device];
    const period = query.from !== undefined || query.to !== undefined;
    const to = query.to ?? this.#parts.clock.now();
    const from = query.from ?? Number.NEGATIVE_INFINITY;
    const span = period
      ? await spanOf(journal, Math.max(from, -8.64e15), to)
      : newestOf(journal, known, device);
    const plan = planReads(journal, span, BUDGET, 'even');
    const collector = new SeriesCollector(devices, field);
    let read = 0;
    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    for await (const records of readPages(journal, plan, signal)) {
      read += records.length;
      for (const record of records) {
        const { time } = record;
        if (period && (time < from || time > to)) continue;
        if (time < first) first = time;
        if (time > last) last = time;
        collector.put(record);
      }
    }
    const empty = first > last;
    const shown = {
      from: Number.isFinite(from) ? from : empty ? to : first,
      to: period || empty ? to : last,
    };
    const marks = await this.#anomalies(stream, { ...shown, devices: new Set(devices) }, signal);
    return {
      stream,
      ...shown,
      records: span.until - span.after,
      read,
      complete: plan.complete && !signal.aborted,
      series: collector.series(points, this.#units(stream)),
      devicesLeftOut: device === undefined ? known.length - devices.length : 0,
      ...marks,
    };
  }

  async #anomalies(
    stream: string,
    query: { from: number; to: number; devices: ReadonlySet<string> },
    signal: AbortSignal,
  ): Promise<Pick<ReadingsView, 'anomalies' | 'anomaliesComplete'>> {
    const { config, store } = this.#parts;
    const found: ReadingsView['anomalies'] = [];
    let complete = true;
    for (const pipeline of config.pipelines) {
      if (![pipeline.from].flat().includes(stream)) continue;
      const results = openResults(store, config, pipeline);
      const one = await anomaliesOf(pipeline, results, query, signal);
      found.push(...one.anomalies);
      complete &&= one.complete;
    }
    return { anomalies: found.sort((a, b) => a.time - b.time), anomaliesComplete: complete };
  }

  #units(stream: string): (field: string) => string | null {
    const fields = this.#parts.config.streams.find(({ id }) => id === stream)?.fields;
    return (field) => fields?.[field]?.unit ?? null;
  }
}

interface Heard {
  readonly device: string;
  readonly lastSeq: number;
  readonly count: number;
}

const heardLast = (known: readonly Heard[]): string[] =>
  known
    .toSorted((a, b) => b.lastSeq - a.lastSeq)
    .slice(0, DEVICES)
    .map(({ device }) => device);

/** The newest readings; of one device among many, as far back as so many of its own are likely to go. */
function newestOf(
  { head, tail }: JournalStream<ReadingValue>,
  known: readonly Heard[],
  device: string | undefined,
): Span {
  const all = known.reduce((sum, { count }) => sum + count, 0);
  const own = device === undefined ? all : (known.find((one) => one.device === device)?.count ?? 0);
  const until = device === undefined ? head : (known.find((one) => one.device === device)?.lastSeq ?? head);
  const wanted = own === 0 ? 0 : Math.min(BUDGET.records, Math.ceil((NEWEST * all) / own));
  return { after: Math.max(0, tail - 1, until - wanted), until: Math.max(until, tail - 1) };
}

import { aggregateId } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Feed } from '../http/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { FieldValue, ReadingValue } from '../ports/reading.ts';
import type { JournalRecord, JournalStream, Store } from '../store/types.ts';
import { openAggregate, openResults } from '../system/document-streams.ts';

export interface FeedParts {
  readonly config: Config;
  readonly store: Store;
  readonly readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly clock: Clock;
}

type Document = Readonly<Record<string, unknown>>;
type Page = Awaited<ReturnType<Feed['page']>>;

/** A journal and how its records are told. */
interface Source {
  readonly journal: Pick<JournalStream<unknown>, 'head' | 'tail' | 'onCommit'>;
  /** Records behind a place with the devices they are of; told only when they are asked for. */
  read(
    after: number,
    limit: number,
  ): Promise<{ seq: number; device: string; tell: () => Page['records'][number] }[]>;
}

/** Reads of one page: a caller that asks for one device among thousands gets an empty page and goes on from there. */
const READS = 8;
/** Callers that wait at once; further ones are answered without waiting. */
const MAX_WAITING = 256;

/** Journals for programs outside, page by page. Keeps nothing; a caller that waits costs one listener. */
export function createFeed(parts: FeedParts): Feed {
  const sources = sourcesOf(parts);
  const waiting = { count: 0 };
  return {
    async page(kind, id, query, signal) {
      const source = sources.get(`${kind}/${id}`);
      if (!source) throw new GatewayError('NOT_FOUND', `there are no ${kind} of "${id.slice(0, 128)}"`);
      const { journal } = source;
      const begin = query.after ?? (query.from === 'oldest' ? journal.tail - 1 : journal.head);
      // A cursor of a journal that was since begun anew.
      const after = Math.min(begin, journal.head);
      const missed = Math.max(0, journal.tail - 1 - after);
      let page = await pageOf(source, after + missed, query.device, query.limit);
      const until = parts.clock.monotonic() + query.wait;
      while (page.records.length === 0 && page.next >= journal.head && !signal.aborted) {
        const left = until - parts.clock.monotonic();
        if (left <= 0 || waiting.count >= MAX_WAITING) break;
        waiting.count++;
        await nextCommit(journal, parts.clock, left, signal);
        waiting.count--;
        page = await pageOf(source, page.next, query.device, query.limit);
      }
      return { ...page, head: journal.head, missed };
    },
  };
}

function sourcesOf({ config, store, readingStreams }: FeedParts): Map<string, Source> {
  const sources = new Map<string, Source>();
  for (const [id, journal] of readingStreams) sources.set(`readings/${id}`, sourceOf(journal, readingOf));
  for (const pipeline of config.pipelines)
    sources.set(`results/${pipeline.id}`, sourceOf(openResults(store, config, pipeline), documentOf));
  for (const aggregate of config.aggregates)
    sources.set(
      `aggregates/${aggregateId(aggregate)}`,
      sourceOf(openAggregate(store, config, aggregate), documentOf),
    );
  return sources;
}

const sourceOf = <T>(journal: JournalStream<T>, tell: (value: T) => Document): Source => ({
  journal,
  async read(after, limit) {
    const records: JournalRecord<T>[] = await journal.read(after, limit);
    return records.map(({ seq, device, time, value }) => ({
      seq,
      device,
      tell: () => ({ seq, device, time, ...tell(value) }),
    }));
  },
});

async function pageOf(
  { journal, read }: Source,
  from: number,
  device: string | undefined,
  limit: number,
): Promise<Pick<Page, 'records' | 'next'>> {
  let next = from;
  for (let reads = 0; reads < READS && next < journal.head; reads++) {
    const { head } = journal;
    const found = await read(next, limit);
    // Damaged records are left out, also the last.
    next = found.at(-1)?.seq ?? head;
    const wanted = device === undefined ? found : found.filter((record) => record.device === device);
    if (wanted.length > 0) return { records: wanted.map(({ tell }) => tell()), next };
  }
  return { records: [], next };
}

/** Resolves at the next commit, after `ms`, or when the caller has gone. */
function nextCommit(
  journal: Source['journal'],
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      endListening();
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const endListening = journal.onCommit(done);
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done);
  });
}

const documentOf = (json: string): Document => JSON.parse(json) as Document;

function readingOf({ fields, values }: ReadingValue): Document {
  const told: Record<string, unknown> = {};
  fields.forEach((name, i) => {
    const value = values[i] ?? null;
    if (value !== null) told[name] = plain(value);
  });
  return { values: told };
}

/** As JSON can say it: 64-bit integers as digits, bytes as `data:` URLs. */
function plain(value: NonNullable<FieldValue>): unknown {
  if (typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<number | bigint>, exact);
  const urls = value.map((bytes) => `data:;base64,${Buffer.from(bytes).toString('base64')}`);
  return urls.length === 1 ? urls[0] : urls;
}

const exact = (value: number | bigint): number | string =>
  typeof value === 'bigint' ? String(value) : value;

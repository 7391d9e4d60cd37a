import type { JournalRecord, JournalStream } from '../../store/types.ts';
import type { Span } from './period.ts';

/** Records of one read: a few milliseconds of work, after which everything else on this thread comes first. */
const PAGE = 500;

/** What one look may read. */
export interface Budget {
  readonly records: number;
  readonly bytes: number;
}

/** A span cut down to what a budget allows: evenly spread pages, or all of it. */
export interface ReadPlan {
  readonly pages: readonly Span[];
  /** Whether the pages are all of the span. */
  readonly complete: boolean;
}

/** @param spread `even`: pages all over the span; `newest`: its end */
export function planReads<T>(
  journal: JournalStream<T>,
  { after, until }: Span,
  budget: Budget,
  spread: 'even' | 'newest',
): ReadPlan {
  const { records, bytes } = journal.stats();
  const each = records === 0 ? 1 : Math.max(1, bytes / records);
  const most = Math.max(PAGE, Math.min(budget.records, Math.floor(budget.bytes / each)));
  const size = until - after;
  if (size <= most) return { pages: pagesOf({ after, until }), complete: true };
  if (spread === 'newest') return { pages: pagesOf({ after: until - most, until }), complete: false };
  const count = Math.max(2, Math.floor(most / PAGE));
  const step = (size - PAGE) / (count - 1);
  const pages = Array.from({ length: count }, (_, i) => {
    const start = after + Math.round(i * step);
    return { after: start, until: start + PAGE };
  });
  return { pages, complete: false };
}

function pagesOf({ after, until }: Span): Span[] {
  const pages: Span[] = [];
  for (let at = after; at < until; at += PAGE) pages.push({ after: at, until: Math.min(at + PAGE, until) });
  return pages;
}

/** Reads the pages one after the other and gives way to other work after each. Ends when `signal` is aborted. */
export async function* readPages<T>(
  journal: JournalStream<T>,
  { pages }: ReadPlan,
  signal: AbortSignal,
): AsyncGenerator<readonly JournalRecord<T>[]> {
  for (const { after, until } of pages) {
    let at = after;
    while (at < until) {
      if (signal.aborted) return;
      const found = await journal.read(at, until - at);
      const records = found.filter(({ seq }) => seq <= until);
      if (records.length === 0) break;
      at = records.at(-1)!.seq;
      yield records;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

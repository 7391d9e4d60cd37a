import type { ReadingValue } from '../ports/reading.ts';
import type { JournalStream } from '../store/types.ts';
import { MergedSource } from './merged-source.ts';
import { resultReader } from './result-source.ts';
import type { RecordSource } from './source.ts';
import { StreamSource } from './stream-source.ts';

/** The records a consumer takes: of a stream, of another pipeline, or of several of them merged. */
export function sourceOf(
  from: readonly string[],
  readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>,
  results: ReadonlyMap<string, JournalStream<string>>,
): RecordSource {
  const sources = from.map((id): RecordSource => {
    const readings = readingStreams.get(id);
    return readings ? new StreamSource(readings) : new StreamSource(results.get(id)!, resultReader());
  });
  return sources.length === 1 ? sources[0]! : new MergedSource(sources);
}

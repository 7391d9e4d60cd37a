import type { Config } from '../config/schema.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { readingCodec } from './reading-codec.ts';

export { createIntake, type IntakeStats } from './intake.ts';
export { readingCodec } from './reading-codec.ts';
export { listRejected } from './rejected.ts';

/** Opens the journal stream of every configured stream, by its id. */
export function openReadingStreams(config: Config, store: Store): Map<string, JournalStream<ReadingValue>> {
  return new Map(
    config.streams.map((stream) => [
      stream.id,
      store.stream(stream.id, {
        codec: readingCodec,
        maxBytes: stream.journal.maxBytes,
        maxAgeMs: stream.journal.maxAge,
        whenFull: stream.journal.whenFull,
        maxDevices: config.limits.maxDevices,
        internal: false,
      }),
    ]),
  );
}

import { readingCodec } from '../../gateway/ingest/reading-codec.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { ReadingValue } from '../../gateway/ports/reading.ts';
import { openStore } from '../../gateway/store/store.ts';
import type { JournalStream, NewRecord } from '../../gateway/store/types.ts';
import { createAlarms } from '../../gateway/system/alarms.ts';
import { recordingLog } from './log.ts';

export interface TestJournal {
  readonly journal: JournalStream<ReadingValue>;
  /** Appends records and waits for their commit. */
  append(records: readonly NewRecord<ReadingValue>[]): Promise<void>;
  close(): Promise<void>;
}

/** A journal stream of readings in a store of its own. */
export async function openJournal(dir: string, clock: Clock): Promise<TestJournal> {
  const log = recordingLog();
  const store = openStore({ dir, durability: 'normal', clock, log, alarms: createAlarms(log), modules: [] });
  const journal = store.stream('t', {
    codec: readingCodec,
    maxBytes: 1024 ** 3,
    maxAgeMs: 1e12,
    whenFull: 'drop-oldest',
    maxDevices: 20_000,
    internal: false,
  });
  await store.start(new AbortController().signal);
  return {
    journal,
    append: (records) =>
      new Promise((done, fail) => journal.append(records, (error) => (error ? fail(error) : done()))),
    close: () => store.stop(),
  };
}

const FIELDS = ['value'];

/** One reading of a number. */
export const reading = (device: string, time: number, value: number): NewRecord<ReadingValue> => ({
  device,
  time,
  flags: 0,
  value: { fields: FIELDS, values: [value] },
});

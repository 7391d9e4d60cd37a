import { readingCodec } from '../../gateway/ingest/reading-codec.ts';
import type { FieldValue } from '../../gateway/ports/reading.ts';
import { openStore } from '../../gateway/store/store.ts';
import type { Store } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

export interface TestReading {
  readonly device: string;
  readonly time: number;
  readonly values: Readonly<Record<string, FieldValue>>;
}

/** Writes the readings of streams into the journal of a data folder, as a gateway that has been stopped leaves it. */
export async function writeJournal(
  dir: string,
  streams: Readonly<Record<string, readonly TestReading[]>>,
): Promise<void> {
  const store = openStore({
    dir,
    durability: 'normal',
    clock: systemClock(),
    log: recordingLog(),
    alarms: recordingAlarms(),
    modules: [],
  });
  await store.start(new AbortController().signal);
  for (const [name, readings] of Object.entries(streams)) await append(store, name, readings);
  await store.stop();
}

async function append(store: Store, name: string, readings: readonly TestReading[]): Promise<void> {
  const journal = store.stream(name, {
    codec: readingCodec,
    maxBytes: 256 * 1024 * 1024,
    maxAgeMs: 30 * 86_400_000,
    whenFull: 'drop-oldest',
    maxDevices: 100,
    internal: false,
  });
  const fields = Object.freeze(Object.keys(readings[0]!.values));
  const records = readings.map(({ device, time, values }) => {
    return { device, time, flags: 0, value: { fields, values: Object.values(values) } };
  });
  for (let at = 0; at < records.length; at += 1000)
    await new Promise<void>((resolve, reject) =>
      journal.append(records.slice(at, at + 1000), (error) => (error ? reject(error) : resolve())),
    );
}

import { textCodec } from '../../gateway/store/codecs.ts';
import { openStore, type StoreParts } from '../../gateway/store/store.ts';
import type { JournalStream, NewRecord, Store, StreamOptions } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

export const TEXT: StreamOptions<string> = {
  codec: textCodec,
  maxBytes: 64 * 1024 * 1024,
  maxAgeMs: 30 * 86_400_000,
  whenFull: 'drop-oldest',
  maxDevices: 1000,
  internal: false,
};

/** A store with a recording log and alarms; not yet started. */
export function makeStore(dir: string, parts: Partial<StoreParts> = {}) {
  const alarms = recordingAlarms();
  const log = recordingLog();
  const store = openStore({
    dir,
    durability: 'normal',
    clock: systemClock(),
    log,
    alarms,
    modules: [],
    ...parts,
  });
  return { store, alarms, log };
}

export async function startedStore(dir: string, parts: Partial<StoreParts> = {}) {
  const made = makeStore(dir, parts);
  await made.store.start(new AbortController().signal);
  return made;
}

export function record(value: string, device = 'd1', time = 1000): NewRecord<string> {
  return { device, time, flags: 0, value };
}

export function append(stream: JournalStream<string>, ...records: NewRecord<string>[]): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.append(records, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Everything a stream still holds, read in portions of `step`. */
export async function readAll<T>(stream: JournalStream<T>, after = 0, step = 100) {
  const all = [];
  for (let from = after; ; ) {
    const some = await stream.read(from, step);
    const last = some[some.length - 1];
    if (last === undefined) return all;
    all.push(...some);
    from = last.seq;
  }
}

/** The identity of every stream and consumer, as numbers to compare. */
export async function audited(store: Store) {
  const rows = await store.audit();
  return Object.fromEntries(rows.map((row) => [row.stream, row]));
}

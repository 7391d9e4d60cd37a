import { onTestFinished } from 'vitest';
import { configSchema } from '../../gateway/config/schema.ts';
import { openReadingStreams } from '../../gateway/ingest/index.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { ReadingValue } from '../../gateway/ports/reading.ts';
import type { Sink } from '../../gateway/ports/sink.ts';
import type { JournalStream, NewRecord, Store } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { createForwarders, type Forwarders } from '../../gateway/upstream/index.ts';
import { startedStore } from '../store/support.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

export interface Setting {
  readonly folder: string;
  readonly sink: Sink;
  readonly upstream?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
  readonly clock?: Clock;
}

/** A gateway's store with one stream `s` and one upstream `cloud`, not yet forwarding. */
export async function outbox({ folder, sink, upstream, config: more, clock = systemClock() }: Setting) {
  const config = configSchema.parse({
    gateway: { name: 'gw' },
    streams: [{ id: 's' }],
    upstream: [{ id: 'cloud', http: { url: 'http://unused' }, send: ['readings'], ...upstream }],
    ...more,
  });
  const alarms = recordingAlarms();
  const log = recordingLog();
  const { store } = await startedStore(folder, { clock });
  const readings = openReadingStreams(config, store).get('s')!;
  // Delays are as long as their ceiling allows, divided by a hundred.
  const forwarders = createForwarders({
    config,
    store,
    sinks: new Map([['cloud', sink]]),
    clock,
    log,
    alarms,
    random: () => 0.01,
  });
  const close = async (): Promise<void> => {
    await forwarders.stop();
    await store.stop();
  };
  onTestFinished(close);
  return { config, store, readings, forwarders, alarms, log, close };
}

export const start = (forwarders: Forwarders): Promise<void> =>
  forwarders.start(new AbortController().signal);

const FIELDS = Object.freeze(['v']);
export const reading = (device: string, time: number, v: number): NewRecord<ReadingValue> => ({
  device,
  time,
  flags: 0,
  value: { fields: FIELDS, values: [v] },
});

export function append<T>(stream: JournalStream<T>, records: readonly NewRecord<T>[]): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.append(records, (error) => (error ? reject(error) : resolve()));
  });
}

export const auditHolds = async (store: Store): Promise<boolean> =>
  (await store.audit()).every((row) => row.holds);

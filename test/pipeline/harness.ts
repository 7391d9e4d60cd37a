import type { Config } from '../../gateway/config/schema.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { openReadingStreams } from '../../gateway/ingest/index.ts';
import { createPipelines, type PipelinesParts } from '../../gateway/pipeline/index.ts';
import type { Inference } from '../../gateway/ports/inference.ts';
import type { NewReading } from '../../gateway/ports/reading.ts';
import { openStore } from '../../gateway/store/store.ts';
import type { JournalRecord, JournalStream, Store } from '../../gateway/store/types.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { type ManualClock, manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';

export const parseConfig = (config: object): Config =>
  configSchema.parse({ gateway: { name: 'gw' }, ...config });

/** A number as the single field `value`. */
export function reading(device: string, time: number, value: number): NewReading {
  return { device, time, flags: 0, value: { fields: VALUE, values: [value] } };
}
const VALUE = ['value'];

/** A real store with the configured streams, on a clock that moves only when told. */
export async function storeFor(dir: string, config: Config, clock: ManualClock = manualClock(1_000_000)) {
  const alarms = recordingAlarms();
  const log = recordingLog();
  const store = openStore({ dir, durability: 'normal', clock, log, alarms, modules: [] });
  const readingStreams = openReadingStreams(config, store);
  await store.start(new AbortController().signal);
  return { store, readingStreams, clock, alarms, log };
}
export type OpenedStore = Awaited<ReturnType<typeof storeFor>>;

export function append<T>(
  stream: JournalStream<T>,
  records: readonly (NewReading & { value: T })[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.append(records, (error) => (error === null ? resolve() : reject(error)));
  });
}

export async function startPipelines(
  config: Config,
  opened: OpenedStore,
  inference: Inference,
  more: Partial<PipelinesParts> = {},
) {
  const { store, readingStreams, clock, alarms, log } = opened;
  const pipelines = createPipelines({
    config,
    store,
    readingStreams,
    inference,
    clock,
    alarms,
    log,
    ...more,
  });
  await pipelines.start(new AbortController().signal);
  return pipelines;
}

/** Every record of a stream that is still kept. */
export async function contents<T>(stream: JournalStream<T>): Promise<JournalRecord<T>[]> {
  const all: JournalRecord<T>[] = [];
  for (;;) {
    const part = await stream.read(all.at(-1)?.seq ?? 0, 1000);
    if (part.length === 0) return all;
    all.push(...part);
  }
}

/** A stream of the gateway's own, as its owner opened it. */
export function openedStream(store: Store, name: string): JournalStream<string> {
  if (!store.streams().includes(name)) throw new Error(`no stream ${name}`);
  return store.stream<string>(name, undefined as never);
}

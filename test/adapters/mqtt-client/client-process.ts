/** The external broker adapter with the real store and intake in a process of its own. Arguments: folder, URL. */
import { createExternalBroker } from '../../../adapters/mqtt-client/index.ts';
import { configSchema } from '../../../gateway/config/schema.ts';
import { createIntake, openReadingStreams } from '../../../gateway/ingest/index.ts';
import { openStore } from '../../../gateway/store/store.ts';
import { createAlarms } from '../../../gateway/system/alarms.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { createLog } from '../../../gateway/system/log.ts';

const [folder, url] = process.argv.slice(2);
const config = configSchema.parse({
  broker: { url, receiveMaximum: 50 },
  streams: [{ id: 'temperature', decode: 'text', from: { mqtt: 'plant/{device}/temperature' } }],
});
const clock = systemClock();
const log = createLog({ level: 'error' });
const alarms = createAlarms(log);
const store = openStore({ dir: folder!, durability: 'full', clock, log, alarms, modules: [] });
await store.start(new AbortController().signal);
const streams = openReadingStreams(config, store);
const door = createExternalBroker({
  broker: config.broker!,
  streams: config.streams,
  limits: config.limits,
  name: 'killed',
  intake: createIntake({ config, store, streams, clock, log }),
  store,
  clock,
  log,
  alarms,
});
await door.start(new AbortController().signal);

/** Tells how far the journal is and the values of what is new. */
let told = 0;
const tell = async (): Promise<void> => {
  const stream = streams.get('temperature')!;
  const records = await stream.read(told, 10_000);
  for (const { seq } of records) told = Math.max(told, seq);
  console.log(JSON.stringify(records.map(({ value }) => value.values[0])));
  setTimeout(tell, 20);
};
await tell();

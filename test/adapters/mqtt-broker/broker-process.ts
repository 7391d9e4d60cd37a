/** A broker with the real store and intake in a process of its own, to be killed. Arguments: folder, port. */
import { createMqttBroker } from '../../../adapters/mqtt-broker/index.ts';
import { configSchema } from '../../../gateway/config/schema.ts';
import { createIntake, openReadingStreams } from '../../../gateway/ingest/index.ts';
import { openStore } from '../../../gateway/store/store.ts';
import { createAlarms } from '../../../gateway/system/alarms.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { createLog } from '../../../gateway/system/log.ts';
import { scriptedAccess } from '../../support/access.ts';

const [folder, port] = process.argv.slice(2);
const config = configSchema.parse({ streams: [{ id: 'temperature', decode: 'text' }] });
const clock = systemClock();
const log = createLog({ level: 'warn' });
const alarms = createAlarms(log);
const store = openStore({
  dir: folder!,
  durability: 'full',
  clock,
  log,
  alarms,
  modules: [new URL('../../../adapters/mqtt-broker/store-module.ts', import.meta.url)],
});
await store.start(new AbortController().signal);
const streams = openReadingStreams(config, store);
const broker = createMqttBroker({
  listen: { host: '127.0.0.1', mqtt: { port: Number(port) }, mqtts: undefined },
  limits: config.limits,
  intake: createIntake({ config, store, streams, clock, log }),
  access: scriptedAccess(),
  store,
  clock,
  log,
  alarms,
});
await broker.start(new AbortController().signal);
console.log(JSON.stringify({ address: broker.addresses[0], head: streams.get('temperature')!.head }));
process.on('SIGTERM', async () => {
  await broker.stop();
  await store.stop();
  process.exit(0);
});

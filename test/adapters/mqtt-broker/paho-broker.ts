/**
 * The broker as Eclipse paho's interoperability suite wants it: on a port of its own, everything allowed but
 * subscribing to `test/nosubscribe`. With the real store, in a folder that goes with it.
 *
 *     node test/adapters/mqtt-broker/paho-broker.ts 18883
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMqttBroker } from '../../../adapters/mqtt-broker/index.ts';
import { BROKER_STORE_MODULE } from '../../../adapters/registry.ts';
import { configSchema } from '../../../gateway/config/schema.ts';
import { createIntake, openReadingStreams } from '../../../gateway/ingest/index.ts';
import { openStore } from '../../../gateway/store/store.ts';
import { createAlarms } from '../../../gateway/system/alarms.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { createLog } from '../../../gateway/system/log.ts';
import { scriptedAccess } from '../../support/access.ts';

const dir = mkdtempSync(join(tmpdir(), 'aimx-paho-'));
const config = configSchema.parse({ streams: [{ id: 'load' }] });
const clock = systemClock();
const log = createLog({ level: 'warn' });
const alarms = createAlarms(log);
const store = openStore({ dir, durability: 'full', clock, log, alarms, modules: [BROKER_STORE_MODULE] });
const access = scriptedAccess();
access.subscribe = (_principal, filter) => filter !== 'test/nosubscribe';
const broker = createMqttBroker({
  listen: { host: '127.0.0.1', mqtt: { port: Number(process.argv[2] ?? 18883) }, mqtts: undefined },
  limits: config.limits,
  intake: createIntake({ config, store, streams: openReadingStreams(config, store), clock, log }),
  access,
  store,
  clock,
  log,
  alarms,
});
const { signal } = new AbortController();
await store.start(signal);
await broker.start(signal);
console.log(broker.addresses[0]);
process.once('SIGTERM', async () => {
  await broker.stop();
  await store.stop();
  rmSync(dir, { recursive: true, force: true });
  process.exit(0);
});

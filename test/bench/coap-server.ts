/**
 * The CoAP door in a process of its own, for coap.ts. Argument: `door` (the intake answers at once) or `durable` (the
 * real intake and journal, synced before each acknowledgement). Prints its port.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCoapServer } from '../../adapters/coap/index.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { createIntake, openReadingStreams } from '../../gateway/ingest/index.ts';
import type { Intake } from '../../gateway/ports/source.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

const durable = process.argv[2] === 'durable';
const config = configSchema.parse({ streams: [{ id: 'temperature' }] });
const clock = systemClock();
const log = recordingLog();
const signal = new AbortController().signal;
const STORED = { kind: 'stored', readings: 1 } as const;

const dir = mkdtempSync(join(tmpdir(), 'aimx-bench-'));
const store = openStore({ dir, durability: 'full', clock, log, alarms: recordingAlarms(), modules: [] });
const streams = openReadingStreams(config, store);
const intake: Intake = durable
  ? createIntake({ config, store, streams, clock, log })
  : { routes: () => true, offer: (message, done) => done(STORED, message) };
if (durable) await store.start(signal);

const server = createCoapServer({
  listen: { host: '127.0.0.1', coap: { port: 0 } },
  limits: config.limits,
  streams: config.streams,
  intake,
  access: {
    authenticate: async () => ({ name: 'anonymous', anonymous: true }),
    mayPublish: () => true,
    maySubscribe: () => true,
  },
  results: { latest: () => undefined, pipelines: () => [], devices: () => [], subscribe: () => () => {} },
  clock,
  log,
});
await server.start(signal);
console.log(server.addresses[0]!.split(':').at(-1));

process.once('SIGTERM', () => {
  void (async () => {
    await server.stop();
    if (durable) await store.stop();
    rmSync(dir, { recursive: true, force: true });
    process.exit(0);
  })();
});

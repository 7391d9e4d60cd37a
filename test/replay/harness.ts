import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createCoapServer } from '../../adapters/coap/index.ts';
import { createCoapReplayTransport } from '../../adapters/coap/replay-transport.ts';
import { createMqttBroker } from '../../adapters/mqtt-broker/index.ts';
import { createMqttReplayTransport } from '../../adapters/mqtt-client/replay-transport.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { createIntake, listRejected, openReadingStreams } from '../../gateway/ingest/index.ts';
import type { AccessControl } from '../../gateway/ports/access.ts';
import type { ReplayTransport } from '../../gateway/ports/replay-transport.ts';
import type { Intake } from '../../gateway/ports/source.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { openRejected } from '../../gateway/system/document-streams.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

const access: AccessControl = {
  authenticate: async () => ({ name: 'anonymous', anonymous: true }),
  mayPublish: () => true,
  maySubscribe: () => true,
};
const noResults = {
  latest: () => undefined,
  pipelines: () => [],
  devices: () => [],
  subscribe: () => () => {},
};

export const DOORS = ['mqtt', 'coap'] as const;

/** One stream for each format a CSV file can be replayed into. */
export const STREAMS = [
  { id: 'json', decode: 'json', fields: { value: { path: '$.data.v' } }, time: { path: '$.at' } },
  { id: 'json-iso', decode: 'json', time: { path: '$.at', format: 'iso8601' } },
  { id: 'json-seconds', decode: 'json', time: { path: '$.at', format: 'epoch-s' } },
  { id: 'cbor', decode: 'cbor', time: { path: '$.at' } },
  { id: 'senml-json', decode: 'senml+json', fields: { value: { unit: 'Cel' } } },
  { id: 'senml-cbor', decode: 'senml+cbor' },
  { id: 'csv', decode: 'csv', time: { path: 'at' } },
  {
    id: 'csv-columns',
    decode: 'csv',
    csv: { delimiter: ';', columns: ['value', 'at'] },
    time: { path: 'at' },
  },
] as const;

export interface Doors {
  readonly transport: (door: (typeof DOORS)[number], qos?: 1 | 2) => ReplayTransport;
  /** [device, time, values…] of every record of a stream, in order. */
  readonly stored: (stream: string) => Promise<unknown[][]>;
  readonly rejected: (stream: string) => Promise<number>;
  /** Stops the doors, and starts them again on the same ports. */
  restartDoors(): Promise<void>;
  stream(id: string): ReturnType<typeof configSchema.parse>['streams'][number];
}

/** Both real doors in front of the real intake and store. */
export async function openDoors(
  streams: readonly unknown[] = STREAMS,
  between: (intake: Intake) => Intake = (intake) => intake,
): Promise<Doors> {
  const config = configSchema.parse({ streams, auth: { anonymous: true } });
  const clock = systemClock();
  const alarms = recordingAlarms();
  const log = recordingLog();
  const store = openStore({
    dir: temporaryFolder(),
    durability: 'normal',
    clock,
    log,
    alarms,
    modules: [new URL('../../adapters/mqtt-broker/store-module.ts', import.meta.url)],
  });
  const readings = openReadingStreams(config, store);
  const intake = between(createIntake({ config, store, streams: readings, clock, log }));
  await store.start(new AbortController().signal);

  const ports = { mqtt: 0, coap: 0 };
  const start = async () => {
    const listen = { host: '127.0.0.1', mqtt: { port: ports.mqtt }, coap: { port: ports.coap } };
    const { limits } = config;
    const broker = createMqttBroker({ listen, limits, intake, access, store, clock, log, alarms });
    const coap = createCoapServer({
      listen,
      limits,
      streams: config.streams,
      intake,
      access,
      results: noResults,
      clock,
      log,
    });
    await broker.start(new AbortController().signal);
    await coap.start(new AbortController().signal);
    const portOf = (address: string) => Number(address.split(':').at(-1));
    ports.mqtt = portOf(broker.addresses[0]!);
    ports.coap = portOf(coap.addresses[0]!);
    return async () => {
      await broker.stop();
      await coap.stop();
    };
  };
  let stop = await start();
  onTestFinished(async () => {
    await stop();
    await store.stop();
  });

  return {
    transport: (door, qos = 1) =>
      door === 'mqtt'
        ? createMqttReplayTransport({ url: `mqtt://127.0.0.1:${ports.mqtt}`, qos })
        : createCoapReplayTransport({ host: '127.0.0.1', port: ports.coap, clock, log }),
    async stored(id) {
      const stream = readings.get(id)!;
      const all: unknown[][] = [];
      for (let after = 0; ; ) {
        const some = await stream.read(after, 500);
        const last = some.at(-1);
        if (last === undefined) return all;
        after = last.seq;
        for (const record of some) all.push([record.device, record.time, ...record.value.values]);
      }
    },
    rejected: async (id) => (await listRejected(openRejected(store, config, id), 1000)).length,
    async restartDoors() {
      await stop();
      stop = await start();
    },
    stream: (id) => config.streams.find((stream) => stream.id === id)!,
  };
}

/** A CSV file with these lines. */
export function csvFile(...lines: readonly string[]): string {
  const file = join(temporaryFolder(), 'recorded.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

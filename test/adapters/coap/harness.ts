import { createSocket } from 'node:dgram';
import { onTestFinished } from 'vitest';
import { CoapClient, type CoapClientOptions } from '../../../adapters/coap/client.ts';
import { createCoapServer } from '../../../adapters/coap/index.ts';
import { type Message, OptionCache, parseMessage } from '../../../adapters/coap/message.ts';
import { configSchema } from '../../../gateway/config/schema.ts';
import type { AccessControl } from '../../../gateway/ports/access.ts';
import type { Clock } from '../../../gateway/ports/clock.ts';
import type { ResultFeed } from '../../../gateway/ports/results.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { type RecordingIntake, recordingIntake } from '../../support/intake.ts';
import { recordingLog } from '../../support/log.ts';

export const config = configSchema.parse({
  limits: { maxPacketBytes: 8192 },
  streams: [
    { id: 'temperature', from: { coap: '/plant/{device}/temperature' } },
    { id: 'pack', decode: 'senml+cbor' },
  ],
});

/** A result feed that is told its results. */
export function resultFeed(): ResultFeed & { publish(pipeline: string, device: string, json: string): void } {
  const newest = new Map<string, Map<string, string>>();
  const listeners = new Set<(pipeline: string, device: string, json: string) => void>();
  return {
    latest: (pipeline, device) => newest.get(pipeline)?.get(device),
    pipelines: () => [...newest.keys()],
    devices: (pipeline) => [...(newest.get(pipeline)?.keys() ?? [])],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    publish(pipeline, device, json) {
      const devices = newest.get(pipeline) ?? new Map<string, string>();
      newest.set(pipeline, devices.set(device, json));
      for (const listener of listeners) listener(pipeline, device, json);
    },
  };
}

export const openAccess: AccessControl = {
  authenticate: async () => ({ name: 'anonymous', anonymous: true }),
  mayPublish: () => true,
  maySubscribe: () => true,
};

const routes = (address: string) =>
  /^s\/(temperature|pack)\/[^/]+$/.test(address) || /^plant\/[^/]+\/temperature$/.test(address);

export interface DoorOptions {
  readonly host?: string;
  readonly port?: number;
  readonly clock?: Clock;
  readonly access?: AccessControl;
  readonly intake?: RecordingIntake;
  readonly limits?: Partial<typeof config.limits>;
}

/** A started door on loopback that is stopped when the test has finished. */
export async function openDoor(options: DoorOptions = {}) {
  const intake = options.intake ?? recordingIntake(routes);
  const results = resultFeed();
  const log = recordingLog();
  const server = createCoapServer({
    listen: { host: options.host ?? '127.0.0.1', coap: { port: options.port ?? 0 } },
    limits: { ...config.limits, ...options.limits },
    streams: config.streams,
    intake,
    access: options.access ?? openAccess,
    results,
    clock: options.clock ?? systemClock(),
    log,
  });
  await server.start(new AbortController().signal);
  onTestFinished(() => {
    intake.release();
    return server.stop();
  });
  const port = Number(new URL(server.addresses[0]!.replace('coap:', 'http:')).port);
  return { server, intake, results, log, port, url: `coap://127.0.0.1:${port}` };
}

export async function openClient(
  port: number,
  options: Partial<CoapClientOptions> = {},
): Promise<CoapClient> {
  const client = new CoapClient({
    host: '127.0.0.1',
    port,
    clock: systemClock(),
    log: recordingLog(),
    ...options,
  });
  await client.open();
  onTestFinished(() => client.close());
  return client;
}

/** A bare UDP socket to the door, for messages no client would send. */
export async function openWire(port: number) {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  const cache = new OptionCache();
  const received: Message[] = [];
  const raw: Buffer[] = [];
  let wake = (): void => {};
  socket.on('message', (datagram) => {
    raw.push(datagram);
    const message = parseMessage(datagram, cache);
    if (message === null || 'malformed' in message) throw new Error('the door sent what cannot be read');
    received.push(message);
    wake();
  });
  socket.on('error', () => undefined);
  return {
    received,
    raw,
    send: (datagram: Uint8Array) => socket.send(datagram),
    localPort: () => socket.address().port,
    /** The next message that was not taken yet. */
    async next(timeoutMs = 5_000): Promise<Message> {
      const end = performance.now() + timeoutMs;
      for (;;) {
        const message = received.shift();
        if (message !== undefined) return message;
        const left = end - performance.now();
        if (left <= 0) throw new Error('no message from the door');
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    /** Pings and takes the reset: what was sent before has been read by then. */
    async settle(): Promise<void> {
      const id = 0xfff0;
      socket.send(Buffer.from([0x40, 0, id >> 8, id & 255]));
      const before: Message[] = [];
      for (;;) {
        const message = await this.next();
        if (message.type === 3 && message.id === id) break;
        before.push(message);
      }
      received.unshift(...before);
    },
  };
}

import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { generate, type Packet } from 'mqtt-packet';
import { encodeMessage } from '../../../adapters/coap/message.ts';
import { type Random, seededRandom } from '../../../models/training/random.ts';
import type { GatewayPorts } from '../../support/gateway-process.ts';
import { FORMATS, type Format, PAYLOADS } from './payloads.ts';

export interface AttackOptions {
  readonly ports: GatewayPorts;
  readonly seed: number;
  /** Streams by the format they decode. */
  readonly streams: Readonly<Record<Format, string>>;
  /** Stream whose readings well-behaved clients publish. */
  readonly busy: string;
  /** Multiplies what each attack sends. */
  readonly scale: number;
}

/** Sends hostile traffic, bounded in count and time; resolves with what was sent, for people. */
export type Attack = (options: AttackOptions) => Promise<string>;

const HOST = '127.0.0.1';
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function open(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  socket.on('error', () => undefined);
  await new Promise<void>((done) => {
    socket.once('connect', done);
    socket.once('close', () => done());
  });
  return socket;
}

let clients = 0;
const connectPacket = (): Buffer =>
  generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: `hostile-${++clients}`,
    keepalive: 0,
  } as Packet);

const publishPacket = (topic: string, payload: Buffer | string, qos: 0 | 1 | 2, messageId: number): Buffer =>
  generate({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, messageId } as Packet);

async function connected(port: number): Promise<Socket> {
  const socket = await open(port);
  socket.write(connectPacket());
  await new Promise<void>((done) => {
    socket.once('data', () => done());
    socket.once('close', () => done());
  });
  return socket;
}

/** Writes until the socket takes no more at once; then waits until it does, at most `ms`. */
async function push(socket: Socket, bytes: Buffer, ms = 1000): Promise<void> {
  if (socket.destroyed || socket.write(bytes)) return;
  await new Promise<void>((done) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      socket.off('drain', end).off('close', end);
      done();
    }
    socket.on('drain', end).on('close', end);
  });
}

const subscribe = (topic: string): Buffer =>
  generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] } as Packet);

/** Subscribers that never read a byte again. */
const frozenSubscribers: Attack = async ({ ports, busy }) => {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connected(ports.mqtt)));
  for (const socket of sockets) {
    socket.write(subscribe(`aimx/s/${busy}/+`));
    socket.pause();
  }
  await pause(4000);
  for (const socket of sockets) socket.destroy();
  return '20 subscribers that take nothing for 4 s';
};

/** Subscribers that take a little twice a second. */
const slowReaders: Attack = async ({ ports, busy }) => {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connected(ports.mqtt)));
  for (const socket of sockets) {
    socket.write(subscribe(`aimx/s/${busy}/+`));
    socket.pause();
  }
  for (let round = 0; round < 8; round++) {
    await pause(500);
    for (const socket of sockets) socket.read(1024);
  }
  for (const socket of sockets) socket.destroy();
  return '20 subscribers that take 2 kB a second for 4 s';
};

/** QoS 2 that is never released, over new connections whenever the old one is closed. */
const unreleased: Attack = async ({ ports, streams, scale }) => {
  const total = 100_000 * scale;
  const batch = 500;
  let sent = 0;
  let connections = 0;
  while (sent < total) {
    const socket = await connected(ports.mqtt);
    connections++;
    socket.resume();
    for (let id = 1; sent < total && !socket.destroyed && id < 65_000; id += batch) {
      const packets = Array.from({ length: batch }, (_, i) =>
        publishPacket(`aimx/s/${streams.text}/q2`, '1', 2, id + i),
      );
      await push(socket, Buffer.concat(packets));
      await pause(1);
      sent += batch;
    }
    socket.destroy();
  }
  return `${sent} QoS 2 messages without PUBREL over ${connections} connections`;
};

/** Connections that say nothing, or the beginning of a CONNECT. */
const halfOpen: Attack = async ({ ports, scale }) => {
  const sockets: Socket[] = [];
  const beginning = connectPacket().subarray(0, 7);
  for (let n = 0; n < 3000 * scale; n += 100) {
    const some = await Promise.all(Array.from({ length: 100 }, () => open(ports.mqtt)));
    for (const [index, socket] of some.entries()) if (index % 2 === 0) socket.write(beginning);
    sockets.push(...some);
  }
  await pause(1000);
  for (const socket of sockets) socket.destroy();
  return `${sockets.length} connections without CONNECT`;
};

/** QoS 1 from five connections at five times the rate of the well-behaved. */
const flood: Attack = async ({ ports, streams, scale }) => {
  const sockets = await Promise.all(Array.from({ length: 5 }, () => connected(ports.mqtt)));
  for (const socket of sockets) socket.resume();
  const end = performance.now() + 5000 * scale;
  let sent = 0;
  let id = 0;
  while (performance.now() < end) {
    for (const socket of sockets) {
      const packets = Array.from({ length: 4 }, () => {
        id = (id % 65_000) + 1;
        return publishPacket(`aimx/s/${streams.text}/flood`, '21.5', 1, id);
      });
      socket.write(Buffer.concat(packets));
      sent += packets.length;
    }
    await pause(20);
  }
  for (const socket of sockets) socket.destroy();
  return `${sent} QoS 1 messages in ${(5 * scale).toFixed(0)} s`;
};

/** As many QoS 1 messages as one connection takes, so that only the gateway's own bounds hold it back. */
const unbounded: Attack = async ({ ports, streams, scale }) => {
  const socket = await connected(ports.mqtt);
  socket.resume();
  const packets = Buffer.concat(
    Array.from({ length: 500 }, (_, i) => publishPacket(`aimx/s/${streams.text}/flood`, '21.5', 1, i + 1)),
  );
  const end = performance.now() + 3000 * scale;
  let sent = 0;
  while (performance.now() < end && !socket.destroyed) {
    await push(socket, packets);
    sent += 500;
    await pause(0);
  }
  socket.destroy();
  return `${sent} QoS 1 messages from one connection, as fast as it takes them`;
};

function mutate(random: Random, packet: Buffer): Buffer {
  const bytes = [...packet];
  for (let edits = random.integer(1, 4); edits > 0; edits--) {
    const at = random.integer(0, bytes.length);
    const kind = random.integer(0, 3);
    if (kind === 0) bytes[at % Math.max(1, bytes.length)] = random.integer(0, 255);
    else if (kind === 1) bytes.splice(at, 0, random.integer(0, 255));
    else if (kind === 2) bytes.splice(at, random.integer(1, 4));
    else bytes.push(...bytes.slice(at, at + 8));
  }
  return Buffer.from(bytes);
}

const SEEDS: readonly Packet[] = [
  { cmd: 'publish', topic: 'aimx/s/h-json/m', payload: '{"value":1}', qos: 0, dup: false, retain: true },
  { cmd: 'publish', topic: 'aimx/s/h-json/m', payload: '1', qos: 2, messageId: 7, dup: true, retain: false },
  { cmd: 'subscribe', messageId: 5, subscriptions: [{ topic: 'a/+/#', qos: 2 }] },
  { cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['a/+/#'] },
  { cmd: 'pubrel', messageId: 7 },
  { cmd: 'pubrec', messageId: 7 },
  { cmd: 'puback', messageId: 7 },
  { cmd: 'pubcomp', messageId: 7 },
  { cmd: 'pingreq' },
  { cmd: 'disconnect' },
] as unknown as Packet[];

const mutatedPackets: Attack = async ({ ports, seed, scale }) => {
  const random = seededRandom(seed);
  const count = Math.round(3000 * scale);
  for (let n = 0; n < count; n += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = await open(ports.mqtt);
        const parts = random.chance(0.3)
          ? [mutate(random, connectPacket())]
          : [connectPacket(), ...[1, 2, 3].map(() => mutate(random, generate(random.pick(SEEDS))))];
        socket.resume();
        socket.end(Buffer.concat(parts));
        await Promise.race([new Promise((done) => socket.once('close', done)), pause(50)]);
        socket.destroy();
      }),
    );
  }
  return `${count} connections with mutated packets`;
};

const mutatedDatagrams: Attack = async ({ ports, streams, seed, scale }) => {
  const random = seededRandom(seed + 1);
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  const path = (...parts: string[]) => parts.map((part) => ({ number: 11, value: Buffer.from(part) }));
  const count = Math.round(20_000 * scale);
  for (let n = 0; n < count; n++) {
    const options = [...path('s', streams.json, 'm'), { number: 12, value: Buffer.from([50]) }];
    const type = random.integer(0, 3) as 0 | 1;
    const token = Buffer.alloc(random.integer(0, 8), n);
    const whole = encodeMessage(
      type,
      random.pick([1, 2, 3, 4]),
      n % 65_536,
      token,
      options,
      Buffer.from('{"value":1}'),
    );
    socket.send(random.chance(0.9) ? mutate(random, whole) : whole, ports.coap, HOST);
    if (n % 50 === 0) await pause(1);
  }
  socket.close();
  return `${count} mutated datagrams`;
};

const hostilePayloads: Attack = async ({ ports, streams }) => {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  let sent = 0;
  for (const [format, stream] of Object.entries(streams) as [Format, string][]) {
    let mqtt = await connected(ports.mqtt);
    mqtt.resume();
    for (const [index, payload] of PAYLOADS.entries()) {
      if (mqtt.destroyed) {
        mqtt = await connected(ports.mqtt);
        mqtt.resume();
      }
      await push(mqtt, publishPacket(`aimx/s/${stream}/p${index}`, payload, 1, (index % 60_000) + 1));
      sent++;
      if (payload.length > 1200) continue;
      const options = [
        ...['s', stream, 'p'].map((part) => ({ number: 11, value: Buffer.from(part) })),
        { number: 12, value: Buffer.from([FORMATS[format]]) },
      ];
      socket.send(
        encodeMessage(0, 2, sent % 65_536, Buffer.from([1, 2, sent & 255]), options, payload),
        ports.coap,
        HOST,
      );
      sent++;
    }
    await pause(200);
    mqtt.destroy();
  }
  socket.close();
  return `${sent} messages with hostile payloads, each to every format`;
};

export const ATTACKS: Readonly<Record<string, Attack>> = {
  'frozen subscribers': frozenSubscribers,
  'slow readers': slowReaders,
  'QoS 2 without PUBREL': unreleased,
  'half-open connections': halfOpen,
  'flood, 5 times the others': flood,
  'flood, unbounded': unbounded,
  'mutated MQTT packets': mutatedPackets,
  'mutated CoAP datagrams': mutatedDatagrams,
  'hostile payloads': hostilePayloads,
};

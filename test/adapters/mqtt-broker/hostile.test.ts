import { createConnection } from 'node:net';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import { MqttSocket } from '../../support/mqtt-socket.ts';
import { until } from '../../support/until.ts';
import { startBroker } from './harness.ts';

const seed = 20260601;

const connect = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 0 };

/** Valid packets to be mutated, one of each kind a client may send and some only a server may. */
const specimens: Buffer[] = (
  [
    { ...connect, clientId: 'fuzz' },
    {
      ...connect,
      clientId: 'fuzz2',
      username: 'u',
      password: Buffer.from('p'),
      will: { topic: 'w', payload: Buffer.from('x'), qos: 2, retain: true },
    },
    { ...connect, protocolVersion: 5, clientId: 'five' },
    { cmd: 'publish', topic: 'a/b', payload: 'x', qos: 0, dup: false, retain: false },
    { cmd: 'publish', topic: 'a/b', payload: 'x', qos: 1, messageId: 5, dup: false, retain: true },
    { cmd: 'publish', topic: 'a/b', payload: 'x', qos: 2, messageId: 6, dup: true, retain: false },
    { cmd: 'puback', messageId: 9 },
    { cmd: 'pubrec', messageId: 9 },
    { cmd: 'pubrel', messageId: 6 },
    { cmd: 'pubcomp', messageId: 9 },
    { cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a/#', qos: 1 }] },
    { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a/#'] },
    { cmd: 'pingreq' },
    { cmd: 'disconnect' },
    { cmd: 'connack', returnCode: 0, sessionPresent: false },
    { cmd: 'suback', messageId: 1, granted: [0] },
  ] as Packet[]
).map((packet) =>
  generate(packet, packet.cmd === 'connect' ? { protocolVersion: packet.protocolVersion ?? 4 } : {}),
);

const mutated = fc
  .tuple(
    fc.constantFrom(...specimens),
    fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }),
    fc.option(fc.nat(60), { nil: undefined }),
  )
  .map(([specimen, changes, cut]) => {
    const bytes = Buffer.from(specimen);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return cut === undefined ? bytes : bytes.subarray(0, cut);
  });

const garbage = fc.oneof(
  mutated,
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

describe('hostile input', () => {
  test('no sequence of packets, well formed or not, ends anything but its own connection', async () => {
    const broker = await startBroker();
    const witness = await broker.connect({ clientId: 'witness' });
    await witness.subscribe('witness/#', 1);
    const { hostname, port } = new URL(broker.address);
    let id = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(garbage, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        async (parts, first) => {
          const socket = createConnection(Number(port), hostname);
          socket.on('error', () => undefined);
          socket.resume();
          if (first) socket.write(specimens[0]!);
          for (const part of parts) socket.write(part);
          socket.end();
          await new Promise((resolve) => socket.once('close', resolve));
          id = (id % 60_000) + 1;
          witness.publish('witness/x', String(id), 1, id);
          await witness.expect('puback', id);
          witness.received.length = 0;
        },
      ),
      { seed, numRuns: 600 },
    );
    await witness.ping();
    await until(() => broker.broker.stats().connections === 1, 'the hostile connections to be gone');
  });

  test.each([
    ['a first packet that is not CONNECT', Buffer.from([0xc0, 0])],
    [
      'a wrong protocol name',
      generate({ ...connect, protocolId: 'MQIsdp', protocolVersion: 3, clientId: 'a' } as Packet).fill(
        'X',
        4,
        5,
      ),
    ],
    ['reserved connect flag', Buffer.from([0x10, 13, 0, 4, 77, 81, 84, 84, 4, 3, 0, 0, 0, 1, 97])],
    ['bytes after the payload', Buffer.from([0x10, 14, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 97, 0])],
  ])('%s is not answered', async (_name, bytes) => {
    const broker = await startBroker();
    const client = await broker.open();
    client.socket.write(bytes);
    await client.waitClosed();
    expect(client.received).toHaveLength(0);
  });

  test('MQTT 5 is refused with CONNACK code 1', async () => {
    const broker = await startBroker();
    const client = await broker.open();
    client.socket.write(
      generate({ ...connect, protocolVersion: 5, clientId: 'five' } as Packet, { protocolVersion: 5 }),
    );
    await client.waitClosed();
    expect(client.received).toMatchObject([{ cmd: 'connack', returnCode: 1 }]);
  });

  test('MQTT 3.1 is served', async () => {
    const broker = await startBroker();
    const client = await broker.connect({ protocolId: 'MQIsdp', protocolVersion: 3, clientId: 'old' });
    client.publish('a/b', 'x', 1, 1);
    await client.expect('puback', 1);
    expect(broker.intake.offered).toHaveLength(1);
  });

  test('packets before CONNACK wait for it', async () => {
    const broker = await startBroker();
    const client = await broker.open();
    const publishes = Array.from({ length: 200 }, (_, i) =>
      generate({
        cmd: 'publish',
        topic: 'a/b',
        payload: `${i}`,
        qos: 1,
        messageId: i + 1,
        dup: false,
        retain: false,
      }),
    );
    client.socket.write(Buffer.concat([specimens[0]!, ...publishes]));
    await client.expect('puback', 200);
    expect(client.received[0]).toMatchObject({ cmd: 'connack', returnCode: 0 });
    expect(client.of('puback').map(({ messageId }) => messageId)).toEqual(publishes.map((_, i) => i + 1));
  });

  test('a payload of names that JavaScript objects carry does no harm', async () => {
    const broker = await startBroker();
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const client = await broker.connect({ clientId: name, clean: false });
      expect(await client.subscribe(name, 1)).toBe(1);
      client.publish(name, 'x', 1, 2);
      await client.expect('publish');
    }
  });

  test('hundreds of thousands of QoS 2 messages without PUBREL do not grow', async () => {
    const broker = await startBroker();
    const bystander = await broker.connect();
    let sent = 0;
    for (let round = 0; sent < 100_000; round++) {
      const client = await MqttSocket.connect(broker.address, { clientId: 'flood', clean: false });
      const batch = Array.from({ length: 2000 }, (_, i) =>
        generate({
          cmd: 'publish',
          topic: 'a/b',
          payload: Buffer.alloc(200),
          qos: 2,
          messageId: ((round * 2000 + i) % 65_535) + 1,
          dup: false,
          retain: false,
        }),
      );
      client.socket.write(Buffer.concat(batch));
      sent += batch.length;
      await client.waitClosed();
    }
    expect(broker.broker.stats().closed.limit).toBeGreaterThan(10);
    const rows = broker.store.db.prepare('SELECT count(*) AS n FROM mqtt_incoming').get() as { n: number };
    expect(rows.n).toBeLessThanOrEqual(500);
    await bystander.ping();
  });
});

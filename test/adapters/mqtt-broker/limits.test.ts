import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/errors.ts';
import { manualClock } from '../../support/clock.ts';
import { MqttSocket } from '../../support/mqtt-socket.ts';
import { until } from '../../support/until.ts';
import { startBroker, type TestBroker } from './harness.ts';

/** Publishes one message and waits for its acknowledgement: the broker serves. */
async function serves(broker: TestBroker): Promise<void> {
  const client = await broker.connect();
  client.publish('a/b', 'x', 1, 1);
  await client.expect('puback', 1);
  client.end();
  await client.waitClosed();
}

describe('bounds', () => {
  test('connections above the bound are closed, those within it stay', async () => {
    const broker = await startBroker({ limits: { maxConnections: 5 } });
    const clients = await Promise.all(Array.from({ length: 5 }, () => broker.connect()));
    const sixth = await broker.open();
    await sixth.waitClosed();
    await clients[0]!.ping();
    clients[1]!.send({ cmd: 'disconnect' });
    await clients[1]!.waitClosed();
    expect(broker.broker.stats().refusedConnections).toBe(1);
    // Its place is free once its socket is gone on the other side too.
    const served = () =>
      serves(broker).then(
        () => true,
        () => false,
      );
    await until(served, 'a free place');
  });

  test('connections that never send CONNECT give way to newer ones', async () => {
    const broker = await startBroker();
    const idle = await Promise.all(Array.from({ length: 600 }, () => broker.open()));
    await until(() => idle.filter(({ closed }) => closed).length === 100, 'the oldest to be closed');
    await serves(broker);
    expect(broker.broker.stats().halfOpen).toBeLessThanOrEqual(500);
  });

  test('a connection without CONNECT, and a silent one, are closed in time', async () => {
    const clock = manualClock();
    const broker = await startBroker({ clock });
    const idle = await broker.open();
    await until(() => broker.broker.stats().halfOpen === 1, 'the connection');
    const silent = await broker.connect({ keepalive: 4 });
    clock.advance(5000);
    silent.publish('a/b', 'x', 1, 1);
    await silent.expect('puback', 1);
    expect(idle.closed).toBe(false);
    clock.advance(5500);
    await idle.waitClosed();
    expect(silent.closed).toBe(false);
    clock.advance(1500);
    await silent.waitClosed();
    expect(broker.broker.stats().closed).toMatchObject({ 'connect-timeout': 1, keepalive: 1 });
  });

  test('subscriptions above the bound are refused in SUBACK', async () => {
    const broker = await startBroker({ limits: { maxSubscriptions: 3 } });
    const client = await broker.connect();
    for (const name of ['a', 'b', 'c']) expect(await client.subscribe(name, 1, 1)).toBe(1);
    client.received.length = 0;
    expect(await client.subscribe('d', 1, 2)).toBe(128);
    // One that is known may change its QoS.
    expect(await client.subscribe('a', 0, 3)).toBe(0);
    expect(broker.broker.stats().subscriptionsDenied).toBe(1);
  });

  test('shared subscriptions are refused', async () => {
    const broker = await startBroker();
    const client = await broker.connect();
    expect(await client.subscribe('$share/group/a', 1)).toBe(128);
  });

  test('a persistent session above the bound is refused, a clean one is not', async () => {
    const broker = await startBroker({ limits: { maxSessions: 1 } });
    const first = await broker.connect({ clientId: 'one', clean: false });
    const second = await broker.connect({ clientId: 'two', clean: false });
    expect(second.received).toMatchObject([{ cmd: 'connack', returnCode: 3 }]);
    await first.ping();
    await serves(broker);
  });

  test('a full queue drops what comes after and keeps what it has', async () => {
    const broker = await startBroker({ limits: { maxQueuedMessages: 3 } });
    const away = await broker.connect({ clientId: 'away', clean: false });
    await away.subscribe('q', 1);
    away.end();
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    const publisher = await broker.connect();
    for (let id = 1; id <= 5; id++) publisher.publish('q', `${id}`, 1, id);
    await publisher.expect('puback', 5);
    expect(broker.broker.stats()).toMatchObject({ queuedMessages: 3, queueDropped: 2 });
    const again = await broker.connect({ clientId: 'away', clean: false });
    await until(() => again.of('publish').length === 3, 'what was kept');
    expect(again.of('publish').map(({ payload }) => payload.toString())).toEqual(['1', '2', '3']);
  });

  test('retained messages above the bound are delivered but not kept', async () => {
    const broker = await startBroker({ limits: { maxRetained: 2 } });
    const watcher = await broker.connect();
    await watcher.subscribe('r/#', 1);
    const publisher = await broker.connect();
    for (let id = 1; id <= 3; id++) publisher.publish(`r/${id}`, 'x', 1, id, { retain: true });
    await publisher.expect('puback', 3);
    await until(() => watcher.of('publish').length === 3, 'three deliveries');
    expect(broker.broker.stats()).toMatchObject({ retained: 2, retainedRefused: 1 });
  });

  test('sessions that stay away too long are forgotten, unless the clock is not believed', async () => {
    const clock = manualClock();
    const broker = await startBroker({ clock, limits: { sessionExpiry: 3_600_000 } });
    const client = await broker.connect({ clientId: 'away', clean: false });
    await client.subscribe('q', 1);
    client.end();
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    clock.setSynced(false);
    clock.advance(7_200_000);
    expect(broker.broker.stats().sessions).toBe(1);
    clock.setSynced(true);
    clock.advance(60_000);
    expect(broker.broker.stats()).toMatchObject({ sessions: 0, sessionsExpired: 1, subscriptions: 0 });
    await serves(broker);
  });

  test('a topic with too many levels ends its connection only', async () => {
    const broker = await startBroker();
    const client = await broker.connect();
    client.publish('a/'.repeat(40), 'x', 1, 1);
    await client.waitClosed();
    await serves(broker);
  });

  test('a subscriber that takes nothing hurts nobody and is disconnected', async () => {
    const broker = await startBroker();
    const frozen = await broker.connect();
    await frozen.subscribe('flood', 1);
    frozen.socket.pause();
    const reader = await broker.connect();
    await reader.subscribe('flood', 1);
    const publisher = await broker.connect();
    const payload = Buffer.alloc(64 * 1024);
    let id = 0;
    while (broker.broker.stats().closed.slow === 0 && id < 2000) {
      publisher.publish('flood', payload, 1, ++id);
      await publisher.expect('puback', id);
      publisher.received.length = 0;
    }
    expect(broker.broker.stats().closed.slow).toBe(1);
    await until(() => reader.of('publish').length === id, 'all deliveries to the other subscriber');
  });

  test('a slow subscriber with QoS 0 misses messages and stays connected', async () => {
    const broker = await startBroker();
    const slow = await broker.connect();
    await slow.subscribe('flood', 0);
    slow.socket.pause();
    const publisher = await broker.connect();
    for (let id = 1; broker.broker.stats().dropped < 20 && id < 2000; id++) {
      publisher.publish('flood', Buffer.alloc(64 * 1024), 1, id);
      await publisher.expect('puback', id);
      publisher.received.length = 0;
    }
    slow.socket.resume();
    await slow.ping();
    expect(broker.broker.stats().dropped).toBeGreaterThanOrEqual(20);
  });

  test('a persistent session gets everything in order however slowly it reads', async () => {
    const broker = await startBroker();
    const slow = await broker.connect({ clientId: 'slow', clean: false });
    await slow.subscribe('s', 1);
    const publisher = await broker.connect();
    for (let id = 1; id <= 900; id++) publisher.publish('s', Buffer.from(`${id}`.padEnd(2000)), 1, id);
    await publisher.expect('puback', 900);
    for (let done = 0; done < 900; ) {
      await until(() => slow.of('publish').length > done, `message ${done + 1}`);
      const got = slow.of('publish');
      for (; done < got.length; done++) slow.send({ cmd: 'puback', messageId: got[done]!.messageId });
    }
    const seen = slow.of('publish').map(({ payload }) => Number(payload.toString()));
    expect(seen).toEqual(Array.from({ length: 900 }, (_, i) => i + 1));
    await slow.ping();
    await until(() => broker.broker.stats().queuedMessages === 0, 'the queue to be empty');
  });
});

describe('a store that is behind or full', () => {
  test('nothing is read while too much is outstanding', async () => {
    const broker = await startBroker();
    const client = await broker.connect();
    broker.store.outstandingBytes = broker.store.highWater + 1;
    client.publish('a/b', '1', 1, 1);
    await client.expect('puback', 1);
    client.publish('a/b', '2', 1, 2);
    const other = await MqttSocket.open(broker.address);
    other.socket.write(Buffer.from([0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 97]));
    await until(() => broker.broker.stats().gateClosed, 'the gate to close');
    expect(broker.intake.offered).toHaveLength(1);
    broker.store.outstandingBytes = 0;
    await client.expect('puback', 2);
    other.end();
    expect(broker.broker.stats().gateClosings).toBe(1);
  });

  test('what cannot be made durable is not acknowledged, tells an alarm, and works again by itself', async () => {
    const broker = await startBroker();
    const away = await broker.connect({ clientId: 'away', clean: false });
    await away.subscribe('q', 1);
    away.end();
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    await until(() => broker.broker.stats().pending === 0, 'the commit');
    broker.store.failure = new GatewayError('STOPPING', 'disk full');
    const publisher = await broker.connect();
    publisher.publish('q', '1', 1, 1);
    await publisher.waitClosed();
    expect(publisher.of('puback')).toHaveLength(0);
    expect(broker.alarms.active().map(({ kind }) => kind)).toEqual(['mqtt-state']);
    broker.store.failure = null;
    const again = await broker.connect();
    again.publish('q', '1', 1, 1, { dup: true });
    await again.expect('puback', 1);
    expect(broker.alarms.active()).toEqual([]);
    const reader = await broker.connect({ clientId: 'away', clean: false });
    await reader.expect('publish');
    await reader.ping();
    expect(reader.of('publish')).toHaveLength(1);
    const rows = broker.store.db.prepare('SELECT count(*) AS n FROM mqtt_messages').get() as { n: number };
    expect(rows.n).toBe(1);
  });
});

describe('what bounds turn away', () => {
  test('is counted, raises an alarm that names the limits, and is over after a quiet minute', async () => {
    const clock = manualClock();
    const broker = await startBroker({
      clock,
      limits: { maxRetained: 1, maxSessions: 1, maxQueuedMessages: 1, maxConnections: 3 },
    });
    const alarm = () => broker.alarms.active().find(({ kind }) => kind === 'mqtt-limits');
    clock.advance(5000);
    expect(alarm()).toBeUndefined();
    const client = await broker.connect();
    for (const [id, topic] of ['a', 'b', 'c'].entries())
      client.publish(topic, 'x', 1, id + 1, { retain: true });
    await client.expect('puback', 3);
    clock.advance(5000);
    expect(alarm()).toMatchObject({
      message: 'The MQTT broker turns away retained messages (limits.maxRetained, limits.maxQueuedBytes)',
    });
    const away = await broker.connect({ clientId: 'away', clean: false });
    await away.subscribe('news/#', 1);
    away.end();
    await away.waitClosed();
    for (const id of [4, 5]) client.publish('news/today', 'x', 1, id);
    await client.expect('puback', 5);
    const another = await broker.connect({ clientId: 'another', clean: false });
    expect(another.of('connack')).toMatchObject([{ returnCode: 3 }]);
    clock.advance(5000);
    expect(broker.broker.turnedAway()).toMatchObject({ connections: 0, sessions: 1, queued: 1, retained: 2 });
    expect(alarm()?.message).toContain('maxSessions');
    expect(alarm()?.message).toContain('maxQueuedMessages');
    for (let second = 0; second < 60; second += 5) clock.advance(5000);
    expect(alarm()).toBeUndefined();
  });
});

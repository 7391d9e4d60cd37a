import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { killableBroker } from './killable.ts';

const persistent = (clientId: string) => ({ clientId, clean: false });

describe('after kill -9 and restart', () => {
  test('retained messages are still there, and those removed are not', async () => {
    const broker = await killableBroker();
    const publisher = await broker.connect();
    publisher.publish('state/lamp', 'on', 1, 1, { retain: true });
    publisher.publish('state/door', 'open', 1, 2, { retain: true });
    publisher.publish('state/door', '', 1, 3, { retain: true });
    await publisher.expect('puback', 3);
    await broker.killAndRestart();
    const subscriber = await broker.connect();
    await subscriber.subscribe('state/#', 1);
    const message = await subscriber.expect('publish');
    expect(message).toMatchObject({ topic: 'state/lamp', retain: true, qos: 1 });
    await subscriber.ping();
    expect(subscriber.of('publish')).toHaveLength(1);
  });

  test('a persistent session has its subscriptions and what came while it was away', async () => {
    const broker = await killableBroker();
    const away = await broker.connect(persistent('away'));
    await away.subscribe('alerts/#', 1);
    away.send({ cmd: 'disconnect' });
    await away.waitClosed();
    const publisher = await broker.connect();
    for (let id = 1; id <= 5; id++) publisher.publish('alerts/oven', `before ${id}`, 1, id);
    await publisher.expect('puback', 5);
    await broker.killAndRestart();
    const again = await broker.connect(persistent('away'));
    expect(again.of('connack')[0]).toMatchObject({ sessionPresent: true });
    await until(() => again.of('publish').length === 5, 'five queued messages');
    expect(again.of('publish').map(({ payload }) => payload.toString())).toEqual(
      [1, 2, 3, 4, 5].map((id) => `before ${id}`),
    );
    const second = await broker.connect();
    second.publish('alerts/oven', 'after', 1, 1);
    await until(() => again.of('publish').length === 6, 'a live message');
  });

  test('the retained copies of a new subscription wait for their acknowledgement', async () => {
    const broker = await killableBroker();
    const publisher = await broker.connect();
    publisher.publish('state/lamp', 'on', 1, 1, { retain: true });
    publisher.publish('state/door', 'shut', 2, 2, { retain: true });
    await publisher.expect('puback', 1);
    await publisher.expect('pubrec', 2);
    const session = await broker.connect(persistent('panel'));
    await session.subscribe('state/#', 2);
    await until(() => session.of('publish').length === 2, 'both copies');
    const copies = (client: typeof session) =>
      client.of('publish').map((packet) => {
        const { topic, qos, retain, dup } = packet as typeof packet & {
          qos: number;
          retain: boolean;
          dup: boolean;
        };
        return `${topic} ${qos} ${retain} ${dup}`;
      });
    expect(copies(session).sort()).toEqual(['state/door 2 true false', 'state/lamp 1 true false']);
    // A durable message behind them: the copies have been committed too.
    publisher.publish('marker', 'x', 1, 3, { retain: true });
    await publisher.expect('puback', 3);
    await broker.killAndRestart();
    const again = await broker.connect(persistent('panel'));
    await until(() => again.of('publish').length === 2, 'both once more');
    expect(
      copies(again)
        .map((copy) => copy.split(' ').slice(0, 3).join(' '))
        .sort(),
    ).toEqual(['state/door 2 true', 'state/lamp 1 true']);
  });

  test('what a client acknowledged does not come again', async () => {
    const broker = await killableBroker();
    const session = await broker.connect(persistent('reader'));
    await session.subscribe('alerts/#', 1);
    const publisher = await broker.connect();
    publisher.publish('alerts/a', 'first', 1, 1);
    publisher.publish('alerts/a', 'second', 1, 2);
    await until(() => session.of('publish').length === 2, 'both messages');
    session.send({ cmd: 'puback', messageId: session.of('publish')[0]!.messageId });
    await session.ping();
    // One more durable message behind it: the acknowledgement has been committed too.
    publisher.publish('alerts/a', 'third', 1, 3);
    await publisher.expect('puback', 3);
    await broker.killAndRestart();
    const again = await broker.connect(persistent('reader'));
    await until(() => again.of('publish').length === 2, 'what was left');
    expect(again.of('publish').map(({ payload }) => payload.toString())).toEqual(['second', 'third']);
  });

  test('a QoS 2 message that was sent again is stored once', async () => {
    const broker = await killableBroker();
    const device = await broker.connect(persistent('meter'));
    device.publish('aimx/s/temperature/meter', '21.5', 2, 7);
    await device.expect('pubrec', 7);
    await broker.killAndRestart();
    expect(broker.head).toBe(1);
    const again = await broker.connect(persistent('meter'));
    again.publish('aimx/s/temperature/meter', '21.5', 2, 7, { dup: true });
    await again.expect('pubrec', 7);
    again.send({ cmd: 'pubrel', messageId: 7 });
    await again.expect('pubcomp', 7);
    // The identifier is free again: the same number is a new message now.
    again.publish('aimx/s/temperature/meter', '22.5', 2, 7);
    await until(() => again.of('pubrec').length === 2, 'PUBREC of the next message');
    await broker.killAndRestart();
    expect(broker.head).toBe(2);
  });

  test('a QoS 2 message under way to a client keeps its identifier, before and after PUBREC', async () => {
    const broker = await killableBroker();
    const session = await broker.connect(persistent('exact'));
    await session.subscribe('alerts/#', 2);
    const publisher = await broker.connect();
    publisher.publish('alerts/a', 'once', 2, 1);
    const sent = await session.expect('publish');
    expect(sent).toMatchObject({ qos: 2, dup: false });
    await broker.killAndRestart();
    const second = await broker.connect(persistent('exact'));
    const repeated = await second.expect('publish');
    expect(repeated).toMatchObject({ qos: 2, dup: true, messageId: sent.messageId! });
    second.send({ cmd: 'pubrec', messageId: sent.messageId! });
    await second.expect('pubrel', sent.messageId!);
    await broker.killAndRestart();
    const third = await broker.connect(persistent('exact'));
    await third.expect('pubrel', sent.messageId!);
    expect(third.of('publish')).toHaveLength(0);
    third.send({ cmd: 'pubcomp', messageId: sent.messageId! });
    await third.ping();
    third.end();
    await third.waitClosed();
    const fourth = await broker.connect(persistent('exact'));
    await fourth.ping();
    expect(fourth.received.filter(({ cmd }) => cmd === 'publish' || cmd === 'pubrel')).toHaveLength(0);
  });

  test('the wills of clients that were connected are published', async () => {
    const broker = await killableBroker();
    const watcher = await broker.connect(persistent('watcher'));
    await watcher.subscribe('status/#', 1);
    await broker.connect({
      clientId: 'pump',
      will: { topic: 'status/pump', payload: Buffer.from('gone'), qos: 1, retain: true },
    });
    const leaver = await broker.connect({
      clientId: 'fan',
      will: { topic: 'status/fan', payload: Buffer.from('gone'), qos: 1, retain: true },
    });
    leaver.send({ cmd: 'disconnect' });
    await leaver.waitClosed();
    // A durable message behind it: the removal of the will has been committed too.
    const marker = await broker.connect();
    marker.publish('marker', 'x', 1, 1, { retain: true });
    await marker.expect('puback', 1);
    await broker.killAndRestart();
    const again = await broker.connect(persistent('watcher'));
    await until(() => again.of('publish').length === 1, 'the will');
    await again.ping();
    expect(again.of('publish').map(({ topic }) => topic)).toEqual(['status/pump']);
  });

  test('every acknowledged reading is in the journal, whatever the instant of the kill', async () => {
    const broker = await killableBroker();
    let acknowledged = 0;
    let sent = 0;
    const instants = fc.sample(fc.integer({ min: 5, max: 120 }), { numRuns: 8, seed: 20260601 });
    for (const instant of instants) {
      const device = await broker.connect();
      for (let id = 1; id <= 2000; id++) device.publish('aimx/s/temperature/d', `${id}`, 1, id);
      sent += 2000;
      await until(() => device.of('puback').length >= instant, 'some acknowledgements');
      await broker.killAndRestart();
      await device.waitClosed();
      acknowledged += device.of('puback').length;
      expect(broker.head).toBeGreaterThanOrEqual(acknowledged);
      expect(broker.head).toBeLessThanOrEqual(sent);
    }
  });
});

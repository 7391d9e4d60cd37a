import { describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { startBroker } from './harness.ts';

/** `anna` and `bert`, each with her or his own topics; nobody else is let in. */
async function guarded() {
  const broker = await startBroker();
  broker.access.login = ({ username, password }) =>
    password && Buffer.from(password).toString() === `secret of ${username}`
      ? { name: username!, anonymous: false }
      : null;
  broker.access.publish = ({ name }, topic) => topic.startsWith(`${name}/`);
  broker.access.subscribe = ({ name }, filter) => filter.startsWith(`${name}/`) || filter === 'shared';
  const login = (username: string) => ({ username, password: Buffer.from(`secret of ${username}`) });
  return { broker, login };
}

describe('access', () => {
  test('wrong credentials are told by CONNACK 4, none at all too', async () => {
    const { broker, login } = await guarded();
    const wrong = await broker.connect({ username: 'anna', password: Buffer.from('guess') });
    expect(wrong.received).toMatchObject([{ cmd: 'connack', returnCode: 4 }]);
    const none = await broker.connect();
    expect(none.received).toMatchObject([{ cmd: 'connack', returnCode: 4 }]);
    const right = await broker.connect(login('anna'));
    expect(right.received).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
  });

  test.each([0, 1, 2] as const)('a forbidden topic with QoS %i ends the connection unstored', async (qos) => {
    const { broker, login } = await guarded();
    const client = await broker.connect(login('anna'));
    client.publish('bert/x', '1', qos, 1);
    await client.waitClosed();
    expect(client.received).toHaveLength(1);
    expect(broker.intake.offered).toHaveLength(0);
    expect(broker.broker.stats().denied).toBe(1);
  });

  test('$SYS and $share cannot be written even where the rules would allow it', async () => {
    const { broker, login } = await guarded();
    broker.access.publish = () => true;
    for (const topic of ['$SYS/x', '$share/g/x']) {
      const client = await broker.connect(login('anna'));
      client.publish(topic, '1', 1, 1);
      await client.waitClosed();
      expect(client.of('puback')).toHaveLength(0);
    }
  });

  test('a will on a forbidden topic keeps the client out', async () => {
    const { broker, login } = await guarded();
    for (const topic of ['bert/x', '$SYS/x']) {
      const will = { topic, payload: Buffer.from('x'), qos: 1, retain: false };
      const client = await broker.connect({ ...login('anna'), will });
      expect(client.received).toMatchObject([{ cmd: 'connack', returnCode: 5 }]);
    }
  });

  test('an allowed will is published when its client is cut off, and journalled like a message', async () => {
    const { broker, login } = await guarded();
    const will = { topic: 'anna/status', payload: Buffer.from('gone'), qos: 1, retain: true };
    const client = await broker.connect({ ...login('anna'), will });
    client.end();
    await until(() => broker.intake.offered.length === 1, 'the will');
    expect(broker.intake.offered[0]).toMatchObject({ address: 'anna/status', principal: { name: 'anna' } });
  });

  test('a forbidden filter is refused in SUBACK; wildcards do not get around it', async () => {
    const { broker, login } = await guarded();
    const client = await broker.connect(login('anna'));
    for (const filter of ['bert/#', '#', '+/x']) {
      client.received.length = 0;
      expect(await client.subscribe(filter, 1)).toBe(128);
    }
    const publisher = await broker.connect(login('bert'));
    publisher.publish('bert/x', '1', 1, 1, { retain: true });
    await publisher.expect('puback', 1);
    await client.ping();
    expect(client.of('publish')).toHaveLength(0);
  });

  test('a subscription that is no longer allowed is not restored, nor what was queued for it', async () => {
    const { broker, login } = await guarded();
    const session = { ...login('anna'), clientId: 'anna-1', clean: false };
    const client = await broker.connect(session);
    await client.subscribe('shared', 1);
    client.end();
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    broker.access.publish = () => true;
    const publisher = await broker.connect(login('bert'));
    publisher.publish('shared', 'queued', 1, 1);
    await publisher.expect('puback', 1);
    broker.access.subscribe = () => false;
    const again = await broker.connect(session);
    publisher.publish('shared', 'live', 1, 2);
    await publisher.expect('puback', 2);
    await again.ping();
    expect(again.of('publish')).toHaveLength(0);
  });

  test("nobody takes over another's session or throws another's client out", async () => {
    const { broker, login } = await guarded();
    const anna = await broker.connect({ ...login('anna'), clientId: 'pump', clean: false });
    const bert = await broker.connect({ ...login('bert'), clientId: 'pump', clean: false });
    expect(bert.received).toMatchObject([{ cmd: 'connack', returnCode: 5 }]);
    await anna.ping();
    const second = await broker.connect({ ...login('anna'), clientId: 'pump', clean: false });
    expect(second.received).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
    await anna.waitClosed();
    await second.ping();
  });

  test('a principal that is no longer let in loses its connections at once, others keep theirs', async () => {
    const { broker, login } = await guarded();
    const anna = await broker.connect(login('anna'));
    const bert = await broker.connect(login('bert'));
    broker.broker.disconnect(new Set(['anna']));
    await anna.waitClosed();
    await bert.ping();
  });
});

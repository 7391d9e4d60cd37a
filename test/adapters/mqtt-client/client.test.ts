import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { streamFilters } from '../../../adapters/mqtt-client/filters.ts';
import { streamSection } from '../../../gateway/config/schema.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import { recordingIntake } from '../../support/intake.ts';
import { ScriptedBroker } from '../../support/scripted-broker.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { buildClient } from './harness.ts';

async function scripted(options: Parameters<typeof buildClient>[2] = {}) {
  const broker = new ScriptedBroker(5);
  const url = await broker.start();
  const intake = recordingIntake();
  const built = buildClient(url, intake, options);
  onTestFinished(async () => {
    intake.release();
    await built.client.stop();
    await broker.stop();
  });
  return { broker, intake, url, ...built };
}

describe('the external broker', () => {
  test('keeps its session and says how much it takes at a time', async () => {
    const { broker, client } = await scripted({
      broker: { receiveMaximum: 7 },
      limits: { maxPacketBytes: '64KiB' },
    });
    await client.start(new AbortController().signal);
    const { connect, subscriptions } = await broker.client();
    expect(connect).toMatchObject({
      clientId: 'aimx-test',
      clean: false,
      properties: { receiveMaximum: 7, maximumPacketSize: 65_536, sessionExpiryInterval: 7 * 86_400 },
    });
    expect(subscriptions).toEqual(['aimx/s/temperature/+', 'plant/+/temperature', 'aimx/infer/#']);
  });

  test('is not read while the store is behind, whoever filled it', async () => {
    const store = { outstandingBytes: 0, highWater: 1000 };
    const { broker, client, intake } = await scripted({ store });
    await client.start(new AbortController().signal);
    const gateway = await broker.client();
    const publish = (payload: string) =>
      gateway.send({
        cmd: 'publish',
        topic: 'plant/a/temperature',
        payload: Buffer.from(payload),
        qos: 0,
        dup: false,
        retain: false,
      });
    store.outstandingBytes = 1001;
    publish('first');
    await until(() => intake.offered.length === 1, 'the message that was under way');
    for (let i = 0; i < 300; i++) publish('x'.repeat(100_000));
    const stalled = intake.offered.length;
    // The sockets between hold some; the rest stays with the broker.
    await until(() => gateway.waiting > 1_000_000, 'the broker to be held back');
    expect(intake.offered.length - stalled).toBeLessThan(10);
    store.outstandingBytes = 1000;
    await until(() => intake.offered.length === 301, 'the rest', 20_000);
  });

  test('acknowledges in the order in which the messages came', async () => {
    const { broker, client, intake } = await scripted();
    await client.start(new AbortController().signal);
    const gateway = await broker.client();
    const later: (() => void)[] = [];
    intake.offer = (message, done) => void later.push(() => done({ kind: 'stored', readings: 1 }, message));
    for (const messageId of [1, 2, 3])
      gateway.send({
        cmd: 'publish',
        topic: 'plant/a/temperature',
        payload: Buffer.from('1'),
        qos: 1,
        messageId,
        dup: false,
        retain: false,
      });
    await until(() => later.length === 3, 'three messages');
    later[2]!();
    later[1]!();
    later[0]!();
    const acks = () =>
      gateway.received.filter(({ cmd }) => cmd === 'puback').map(({ messageId }) => messageId);
    await until(() => acks().length === 3, 'the acknowledgements');
    expect(acks()).toEqual([1, 2, 3]);
  });

  test('reads the password from a file that only its owner may read', async () => {
    const file = join(temporaryFolder(), 'password');
    writeFileSync(file, 'hush\n', { mode: 0o600 });
    const { broker, client } = await scripted({ broker: { username: 'gw', passwordFile: file } });
    await client.start(new AbortController().signal);
    const { connect } = await broker.client();
    expect(connect).toMatchObject({ username: 'gw', password: Buffer.from('hush') });
  });

  test('refuses a password file that others may read', async () => {
    const file = join(temporaryFolder(), 'password');
    writeFileSync(file, 'hush');
    chmodSync(file, 0o644);
    const { client, log } = await scripted({ broker: { passwordFile: file } });
    const start = client.start(new AbortController().signal);
    await expect(start).rejects.toMatchObject({ code: 'SECRET_FILE', received: 'mode 0644' });
    expect(JSON.stringify(log.lines)).not.toContain('hush');
  });

  test.each(['http://127.0.0.1', 'nonsense', 'mqtt://user:pw@127.0.0.1'])(
    '%s is no broker address',
    async (url) => {
      const { client } = buildClient(url, recordingIntake());
      await expect(client.start(new AbortController().signal)).rejects.toBeInstanceOf(GatewayError);
      await client.stop();
    },
  );

  test('starts without its broker, says so, and connects when it comes', async () => {
    const { broker, url, client, alarms } = await scripted();
    await broker.stop();
    await client.start(new AbortController().signal);
    expect(alarms.active().map(({ kind }) => kind)).toEqual(['broker-lost']);
    const again = new ScriptedBroker(5);
    await again.start(Number(new URL(url).port));
    onTestFinished(() => again.stop());
    await again.client();
    await until(() => alarms.active().length === 0, 'the alarm to clear');
  });

  test('a start that is aborted leaves nothing behind', async () => {
    const { broker, client } = await scripted();
    const abort = new AbortController();
    const start = client.start(abort.signal);
    abort.abort();
    await expect(start).rejects.toThrow();
    await client.stop();
    await until(() => broker.clients.every(({ closed }) => closed), 'the connection to be closed');
  });

  test('a malformed packet from the broker ends the connection, not the gateway', async () => {
    const { broker, client, intake } = await scripted();
    await client.start(new AbortController().signal);
    const first = await broker.client();
    first.send({
      cmd: 'publish',
      topic: 'plant/a/temperature',
      payload: Buffer.alloc(0),
      qos: 0,
      dup: false,
      retain: false,
    });
    await until(() => intake.offered.length === 1, 'a good packet');
    broker.raw(Buffer.from([0x32, 3, 0, 9, 65]));
    await until(() => first.closed, 'the connection to close');
    await until(() => client.stats().connects === 2, 'a new connection');
  });
});

test('filters: captures become +, wildcards stay', () => {
  const streams = [
    streamSection.parse({ id: 'a', from: { mqtt: ['plant/{line}/{device}/t', 'x/+/#'] } }),
    streamSection.parse({ id: 'b' }),
  ];
  expect(streamFilters(streams)).toEqual(['aimx/s/a/+', 'plant/+/+/t', 'x/+/#', 'aimx/s/b/+']);
});

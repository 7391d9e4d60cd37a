import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/errors.ts';
import { until } from '../../support/until.ts';
import { startBroker, type TestBroker } from './harness.ts';

const persistent = (clientId: string) => ({ clientId, clean: false });

const rows = (broker: TestBroker, table: string): number =>
  (broker.store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;

describe('a QoS 2 message that a stream takes', () => {
  test('goes to the journal together with its identifier, queue entries and retained copy', async () => {
    const broker = await startBroker();
    const away = await broker.connect(persistent('away'));
    await away.subscribe('aimx/s/#', 2);
    away.end();
    await away.waitClosed();
    const device = await broker.connect(persistent('meter'));
    device.publish('aimx/s/t/meter', '21.5', 2, 7, { retain: true });
    await device.expect('pubrec', 7);
    const [message] = broker.intake.offered;
    const kinds = (message!.ops ?? []).flatMap(({ args }) =>
      (args as { kind: string }[]).map((one) => one.kind),
    );
    expect(kinds).toEqual(['incoming', 'message', 'queue', 'retain']);
    expect(rows(broker, 'mqtt_incoming')).toBe(1);
    expect(rows(broker, 'mqtt_retained')).toBe(1);
    device.send({ cmd: 'pubrel', messageId: 7 });
    await device.expect('pubcomp', 7);
    expect(rows(broker, 'mqtt_incoming')).toBe(0);
  });

  test('leaves nothing behind when the journal refuses it later, so that a repetition is stored', async () => {
    const broker = await startBroker();
    const away = await broker.connect(persistent('away'));
    await away.subscribe('aimx/s/#', 2);
    away.end();
    await away.waitClosed();
    const device = await broker.connect(persistent('meter'));
    broker.intake.answer = () => ({ kind: 'refused', error: new GatewayError('STORE_FULL', 'full') });
    device.publish('aimx/s/t/meter', '21.5', 2, 7);
    await device.waitClosed();
    expect(device.of('pubrec')).toHaveLength(0);
    // What a crash at this moment would leave: neither the identifier nor the message for others.
    expect(rows(broker, 'mqtt_incoming')).toBe(0);
    expect(rows(broker, 'mqtt_offline')).toBe(0);
    broker.intake.answer = () => ({ kind: 'stored', readings: 1 });
    const again = await broker.connect(persistent('meter'));
    again.publish('aimx/s/t/meter', '21.5', 2, 7, { dup: true });
    await again.expect('pubrec', 7);
    expect(broker.intake.offered).toHaveLength(2);
    expect(broker.broker.stats().repeated).toBe(0);
    expect(rows(broker, 'mqtt_incoming')).toBe(1);
    const reader = await broker.connect(persistent('away'));
    await until(() => reader.of('publish').length === 1, 'the message, once');
  });

  test('is not undone by an older change that the store refused', async () => {
    const broker = await startBroker();
    const device = await broker.connect(persistent('meter'));
    broker.store.failure = new Error('no space');
    device.publish('aimx/s/t/meter', '1', 1, 7, { retain: true });
    await device.waitClosed();
    broker.store.failure = null;
    const again = await broker.connect(persistent('meter'));
    again.publish('aimx/s/t/meter', '2', 2, 7, { retain: true });
    await again.expect('pubrec', 7);
    await again.ping();
    const kept = broker.store.db.prepare('SELECT payload FROM mqtt_retained').all() as {
      payload: Uint8Array;
    }[];
    expect(kept.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['2']);
  });
});

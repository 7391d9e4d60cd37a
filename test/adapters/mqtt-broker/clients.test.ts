import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../../support/until.ts';
import { startBroker, type TestBroker } from './harness.ts';

const installed = spawnSync('mosquitto_pub', ['--help']).error === undefined;
if (!installed) console.warn('skipped: mosquitto_pub is not installed (apt-get install mosquitto-clients)');

const address = (broker: TestBroker) => ['-h', '127.0.0.1', '-p', new URL(broker.address).port];

async function publish(broker: TestBroker, ...args: string[]): Promise<number> {
  const child = spawn('mosquitto_pub', [...address(broker), ...args], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  return code;
}

/** mosquitto_sub that prints topic, QoS, retain flag and payload of each message. */
async function subscriber(broker: TestBroker, ...args: string[]) {
  const before = broker.broker.stats().subscriptions;
  const lines: string[] = [];
  const child = spawn('mosquitto_sub', [...address(broker), '-F', '%t %q %r %p', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await until(() => broker.broker.stats().subscriptions > before, 'the subscription');
  return { lines, child };
}

describe.skipIf(!installed)("Debian's Mosquitto clients", () => {
  test.each(['0', '1', '2'])('QoS %s gets through once', async (qos) => {
    const broker = await startBroker();
    const { lines } = await subscriber(broker, '-t', 'home/#', '-q', qos);
    expect(await publish(broker, '-t', 'home/door', '-m', 'open', '-q', qos)).toBe(0);
    await until(() => lines.length > 0, 'the message');
    expect(lines).toEqual([`home/door ${qos} 0 open`]);
    expect(broker.intake.offered).toHaveLength(1);
  });

  test('a message goes out with the lower of both QoS', async () => {
    const broker = await startBroker();
    const { lines } = await subscriber(broker, '-t', 'home/+', '-q', '1');
    await publish(broker, '-t', 'home/door', '-m', 'a', '-q', '2');
    await publish(broker, '-t', 'home/door', '-m', 'b', '-q', '0');
    await until(() => lines.length === 2, 'both messages');
    expect(lines).toEqual(['home/door 1 0 a', 'home/door 0 0 b']);
  });

  test('a retained message reaches who comes later, with the flag set', async () => {
    const broker = await startBroker();
    await publish(broker, '-t', 'home/lamp', '-m', 'on', '-q', '1', '-r');
    const { lines } = await subscriber(broker, '-t', 'home/#', '-q', '1');
    await until(() => lines.length === 1, 'the retained message');
    expect(lines).toEqual(['home/lamp 1 1 on']);
  });

  test('the will of a client that is killed is published', async () => {
    const broker = await startBroker();
    const { lines } = await subscriber(broker, '-t', 'status/#', '-q', '1');
    const will = ['--will-topic', 'status/pump', '--will-payload', 'gone', '--will-qos', '1'];
    const { child } = await subscriber(broker, '-t', 'none', ...will);
    child.kill('SIGKILL');
    await until(() => lines.length === 1, 'the will');
    expect(lines).toEqual(['status/pump 1 0 gone']);
  });

  test('a persistent session gets what came while it was away', async () => {
    const broker = await startBroker();
    const session = ['-i', 'away', '-c', '-t', 'home/#', '-q', '2'];
    const { child } = await subscriber(broker, ...session);
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    for (const n of [1, 2, 3]) await publish(broker, '-t', 'home/x', '-m', `${n}`, '-q', '2');
    const again = await subscriber(broker, ...session);
    await until(() => again.lines.length === 3, 'what was queued');
    expect(again.lines).toEqual(['home/x 2 0 1', 'home/x 2 0 2', 'home/x 2 0 3']);
  });

  test('a file of readings, a line each, arrives in order', async () => {
    const broker = await startBroker();
    const child = spawn('mosquitto_pub', [...address(broker), '-t', 'plant/m/t', '-q', '1', '-l'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const lines = Array.from({ length: 500 }, (_, i) => `${i}`);
    child.stdin.end(`${lines.join('\n')}\n`);
    await once(child, 'exit');
    const seen = broker.intake.offered.map(({ payload }) => new TextDecoder().decode(payload));
    expect(seen).toEqual(lines);
  });

  test('MQTT 5 is told that it is not spoken here', async () => {
    const broker = await startBroker();
    expect(await publish(broker, '-V', '5', '-t', 'a', '-m', 'x', '-q', '1')).not.toBe(0);
    expect(broker.intake.offered).toHaveLength(0);
  });
});

describe('the publisher', () => {
  test('reaches connected clients, persistent sessions that are away, and keeps what is retained', async () => {
    const broker = await startBroker();
    const away = await broker.connect({ clientId: 'away', clean: false });
    await away.subscribe('aimx/#', 1);
    away.end();
    await until(() => broker.broker.stats().connections === 0, 'the client to be gone');
    const here = await broker.connect();
    await here.subscribe('aimx/#', 1);
    await broker.broker.publish([
      { topic: 'aimx/result/p/d', payload: '{"n":1}', qos: 1, retain: false },
      { topic: 'aimx/result/p/d', payload: new Uint8Array([123, 125]), qos: 1, retain: false },
      { topic: 'aimx/status', payload: 'online', qos: 1, retain: true },
    ]);
    const queued = broker.store.db.prepare('SELECT count(*) AS n FROM mqtt_offline').get() as { n: number };
    expect(queued.n).toBe(3);
    await until(() => here.of('publish').length === 3, 'the live messages');
    expect(here.of('publish').map(({ payload }) => payload.toString())).toEqual(['{"n":1}', '{}', 'online']);
    const again = await broker.connect({ clientId: 'away', clean: false });
    await until(() => again.of('publish').length === 3, 'the queued messages');
    const late = await broker.connect();
    await late.subscribe('aimx/status', 0);
    expect(await late.expect('publish')).toMatchObject({ topic: 'aimx/status', retain: true, qos: 0 });
    expect(broker.intake.offered).toHaveLength(0);
  });

  test('rejects when it is not running or the store refuses', async () => {
    const broker = await startBroker();
    const away = await broker.connect({ clientId: 'away', clean: false });
    await away.subscribe('a', 1);
    broker.store.failure = new Error('disk full');
    const message = { topic: 'a', payload: 'x', qos: 1, retain: false } as const;
    await expect(broker.broker.publish([message])).rejects.toThrow();
    broker.store.failure = null;
    await broker.broker.publish([message]);
    await broker.broker.stop();
    await expect(broker.broker.publish([message])).rejects.toMatchObject({ code: 'STOPPING' });
  });
});

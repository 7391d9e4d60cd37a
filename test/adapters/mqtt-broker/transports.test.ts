import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { GatewayError } from '../../../gateway/errors.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { buildBroker, startBroker } from './harness.ts';

/** An HTTP server whose upgrades go to the broker, as the gateway wires it. */
async function httpFront(broker: Awaited<ReturnType<typeof startBroker>>): Promise<number> {
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request, socket, head) => {
    if (!broker.broker.handleUpgrade(request, socket, head)) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}

function selfSigned(): { cert: string; key: string } {
  const folder = temporaryFolder();
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  return { cert, key };
}

describe('WebSocket', () => {
  test('publishes and receives under /mqtt', async () => {
    const broker = await startBroker();
    const port = await httpFront(broker);
    const client = await mqtt.connectAsync(`ws://127.0.0.1:${port}/mqtt`, { protocolVersion: 4 });
    onTestFinished(() => client.endAsync(true));
    const messages: string[] = [];
    client.on('message', (_topic, payload) => messages.push(payload.toString()));
    await client.subscribeAsync('a/#', { qos: 1 });
    await client.publishAsync('a/b', 'over websocket', { qos: 1 });
    await client.publishAsync('a/b', 'y'.repeat(200_000), { qos: 2 });
    await until(() => messages.length === 2, 'both messages');
    expect(messages[0]).toBe('over websocket');
    expect(broker.intake.offered.map(({ payload }) => payload.length)).toEqual([14, 200_000]);
  });

  test('other paths are left to others, other subprotocols are refused', async () => {
    const broker = await startBroker();
    const port = await httpFront(broker);
    const failure = (path: string, protocol: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol);
        socket.on('open', () => resolve('open'));
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await failure('/other', 'mqtt')).not.toBe('open');
    expect(await failure('/mqtt', 'chat')).not.toBe('open');
    expect(broker.broker.stats().accepted).toBe(0);
  });
});

describe('TLS', () => {
  test('serves mqtts beside mqtt', async () => {
    const files = selfSigned();
    const broker = await startBroker({
      listen: { host: '127.0.0.1', mqtt: { port: 0 }, mqtts: { port: 0, ca: undefined, ...files } },
    });
    const address = broker.broker.addresses[1]!;
    expect(address).toMatch(/^mqtts:/);
    const client = await mqtt.connectAsync(address, { protocolVersion: 4, rejectUnauthorized: false });
    await client.publishAsync('a/b', 'sealed', { qos: 1 });
    await client.endAsync();
    expect(broker.intake.offered).toHaveLength(1);
  });

  test('a client without the certificate that is asked for stays out', async () => {
    const files = selfSigned();
    const broker = await startBroker({
      listen: { host: '127.0.0.1', mqtt: { port: 0 }, mqtts: { port: 0, ...files, ca: files.cert } },
    });
    const attempt = mqtt.connectAsync(broker.broker.addresses[1]!, {
      protocolVersion: 4,
      rejectUnauthorized: false,
      reconnectPeriod: 0,
      connectTimeout: 5000,
    });
    await expect(attempt).rejects.toThrow();
    expect(broker.broker.stats().stored).toBe(0);
  });

  test('files that cannot be read are told before anything listens for long', async () => {
    const { broker } = buildBroker({
      listen: {
        host: '127.0.0.1',
        mqtt: { port: 0 },
        mqtts: { port: 0, cert: '/nowhere', key: '/nowhere', ca: undefined },
      },
    });
    await expect(broker.start(new AbortController().signal)).rejects.toMatchObject({ code: 'TLS_FILES' });
    await expect(broker.start(new AbortController().signal)).rejects.toBeInstanceOf(GatewayError);
    await broker.stop();
  });
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AuditView } from '../../gateway/http/views.ts';
import { freePorts, runCommand, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { startPublishers } from '../support/publishers.ts';
import { startReceiver } from '../support/receiver.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

describe('stop', () => {
  it('SIGTERM under load ends within 10 s with code 0 and loses nothing that was acknowledged', async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    const receiver = await startReceiver();
    onTestFinished(() => receiver.close());
    writeConfig(folder, ports, {
      gateway: { name: 'stopping', dataDir: './data' },
      streams: [{ id: 'load', fields: { n: {}, value: {} } }],
      upstream: [{ id: 'receiver', http: { url: receiver.url }, send: ['readings'] }],
    });
    const gateway = await startGatewayProcess(folder, ports);
    const load = await startPublishers({ port: ports.mqtt, stream: 'load', devices: 10, rate: 2000 });
    onTestFinished(() => load.stop());
    await until(() => load.acknowledged.length > 2000, 'two thousand acknowledgements', 30_000);
    const begun = performance.now();
    const code = await gateway.stop();
    expect([code, performance.now() - begun < 10_000]).toEqual([0, true]);
    await load.stop();

    const again = await startGatewayProcess(folder, ports);
    const acknowledged = new Set(load.acknowledged);
    const arrived = (): Set<string> =>
      new Set(receiver.records.map(({ device, body }) => `${device}:${(body.values as { n: number }).n}`));
    await until(() => acknowledged.isSubsetOf(arrived()), 'everything acknowledged to be upstream', 30_000);
    const audit = await again.api<AuditView[]>('/api/v1/audit');
    expect(audit.map(({ stream, holds }) => [stream, holds])).toContainEqual(['load', true]);
    expect(audit.every(({ holds }) => holds)).toBe(true);
    expect(await again.stop()).toBe(0);
  }, 90_000);
});

describe('start', () => {
  const start = (folder: string, ...more: string[]) => runCommand(['start', '--no-setup', ...more], folder);

  it('shows where a broken configuration is broken, and ends with code 2', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, 'gateway:\n  name: x\nstreams:\n  - id: a\n    decod: json\n');
    const ended = await start(folder);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(`${file}:5:5: error: streams[0].decod`);
    expect(ended.stderr).toContain('did you mean "decode"?');
    const json = await start(folder, '--json');
    expect(JSON.parse(json.stdout || json.stderr)).toMatchObject({
      error: { code: 'CONFIG_INVALID', issues: [{ line: 5, column: 5, path: 'streams[0].decod' }] },
    });

    writeFileSync(file, 'gateway:\n  name: [x\nstreams: []\n');
    const unreadable = await start(folder);
    expect(unreadable.code).toBe(2);
    expect(unreadable.stderr).toMatch(/gateway\.yaml:\d+:\d+/);
  });

  it('says which port is taken and what to do', async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    const tcp = createServer().listen(ports.mqtt, '127.0.0.1');
    await once(tcp, 'listening');
    writeConfig(folder, ports, {});
    const mqtt = await start(folder);
    expect(mqtt.code).toBe(1);
    expect(mqtt.stderr).toContain(`LISTEN_FAILED: cannot listen on mqtt://127.0.0.1:${ports.mqtt}`);
    expect(mqtt.stderr).toContain('choose another port');
    await new Promise((done) => tcp.close(done));

    const udp = createSocket('udp4').bind(ports.coap, '127.0.0.1');
    await once(udp, 'listening');
    const coap = await start(folder);
    expect(coap.code).toBe(1);
    expect(coap.stderr).toContain(`cannot listen on 127.0.0.1 port ${ports.coap}`);
    udp.close();
  });

  it('serves a page while the configuration is broken, and goes on in the same process once it is mended', async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    const file = writeConfig(folder, ports, { streams: [{ id: 'a', decode: 'jsn' }] });
    const starting = startGatewayProcess(folder, ports, { timeoutMs: 60_000 });
    const page = `http://127.0.0.1:${ports.http}/api/v1/setup`;
    const state = async (): Promise<string | undefined> =>
      await fetch(page).then(
        async (answer) => ((await answer.json()) as { state: string }).state,
        () => undefined,
      );
    await until(async () => (await state()) === 'broken', 'the page', 30_000);
    writeFileSync(file, readFileSync(file, 'utf8').replace('jsn', 'json'));
    const gateway = await starting;
    expect(await state()).toBe('done');
    expect(gateway.log()).toContain('streams[0].decode');
    expect(await gateway.stop()).toBe(0);
  }, 90_000);

  it('keeps a second gateway out of the data of the first', async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    writeConfig(folder, ports, {});
    const first = await startGatewayProcess(folder, ports);
    onTestFinished(async () => void (await first.stop()));
    const other = await freePorts();
    const file = writeConfig(folder, other, {});
    const ended = await runCommand(['start', '--config', file], folder);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('STORE_LOCKED');
  });
});

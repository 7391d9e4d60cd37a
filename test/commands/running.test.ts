import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import { freePorts, type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';

/** The commands against a gateway that runs as its own process, with the configuration that `init` wrote. */
const folder = mkdtempSync(join(tmpdir(), 'aimx-commands-'));
let gateway: GatewayProcess;

async function run(...argv: string[]) {
  const terminal = recordingTerminal(folder);
  return { code: await runCli(argv, terminal), out: terminal.out(), err: terminal.err() };
}
const json = async (...argv: string[]) => JSON.parse((await run(...argv, '--json')).out);

const ROWS = 100;

beforeAll(async () => {
  await run('init');
  const ports = await freePorts();
  const file = join(folder, 'gateway.yaml');
  const text = readFileSync(file, 'utf8')
    .replace('mqtt: { port: 1883 }', `mqtt: { port: ${ports.mqtt} }`)
    .replace('coap: { port: 5683 }', `coap: { port: ${ports.coap} }`)
    .replace('http: { port: 8080 }', `http: { port: ${ports.http} }`)
    .replace('# time: { path: $.ts', 'time: { path: $.ts')
    .replace(/name: \S+/, 'name: test');
  writeFileSync(file, text);
  gateway = await startGatewayProcess(folder, ports);
}, 60_000);

afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

const enter = (name: string, password: string) =>
  connectAsync(`mqtt://127.0.0.1:${gateway.ports.mqtt}`, {
    username: name,
    password,
    clientId: `${name}-test`,
    reconnectPeriod: 0,
    connectTimeout: 5000,
  });

describe('with a running gateway', () => {
  it('a device that was added may come in, and is out once revoked', async () => {
    const { secret } = await json('devices', 'add', 'press-1');
    await expect(enter('press-1', 'wrong')).rejects.toThrow();
    const client = await enter('press-1', secret);
    await client.publishAsync('plant/press-1/temperature', JSON.stringify({ t: 20, ts: 1_780_000_000_000 }), {
      qos: 1,
    });
    await until(async () => (await json('status')).streams[0].accepted === 1, 'the reading in the status');
    const listed = await json('devices', 'list');
    expect(listed.find((d: { name: string }) => d.name === 'press-1')).toMatchObject({
      role: 'device',
      streams: [{ stream: 'temperature', readings: 1 }],
    });
    expect((await run('devices', 'revoke', 'press-1')).code).toBe(0);
    await expect(enter('press-1', secret)).rejects.toThrow();
    client.end(true);
  });

  it('replays a recording, audits it and shows its receipts', async () => {
    const start = Date.UTC(2026, 4, 1);
    const lines = Array.from(
      { length: ROWS },
      (_, i) => `${new Date(start + i * 60_000).toISOString()},${20 + Math.sin(i / 5)}`,
    );
    const csv = join(folder, 'machine.csv');
    writeFileSync(csv, `timestamp,value\n${lines.join('\n')}\n`);
    const replayed = await run('replay', csv, '--stream', 'temperature', '--device', 'machine', '--json');
    expect(replayed.err).toBe('');
    expect(JSON.parse(replayed.out)).toMatchObject({ rows: ROWS, acknowledged: ROWS, rejected: 0 });
    expect(replayed.code).toBe(0);
    await until(async () => (await json('status')).pipelines[0].results >= ROWS - 63, 'the results');
    const audit = await run('audit');
    expect(audit.code).toBe(0);
    expect(audit.out).toContain('the identity holds for every stream');
    const { receipts } = await json('receipts', 'list', '--limit', '5');
    expect(receipts.length).toBe(5);
    const shown = await run('receipts', 'show', receipts[0].requestId);
    expect(shown.out).toContain('streaming-anomaly@2');
    expect((await run('receipts', 'verify', receipts[0].place)).code).toBe(2);
    expect((await run('replay', csv, '--stream', 'temperatur')).err).toContain(
      'Did you mean --stream temperature?',
    );
  });

  it('lists alarms and says that somebody knows of one', async () => {
    expect((await run('alarms', 'list')).code).toBe(0);
    expect((await run('alarms', 'acknowledge', 'nothing-1')).err).toContain('NOT_FOUND');
    const known = await json('alarms', 'list', '--all');
    for (const { id } of known.slice(0, 1)) {
      expect(await json('alarms', 'acknowledge', id, '--note', 'seen')).toMatchObject({
        id,
        acknowledged: { by: 'local', note: 'seen' },
      });
    }
  });

  it('prints status for people', async () => {
    const { code, out } = await run('status');
    expect(code).toBe(0);
    expect(out).toMatch(/^test ready for \d+ s/);
    expect(out).toContain('temperature-anomaly');
  });

  it('doctor finds nothing to mend', async () => {
    const { code, out } = await run('doctor');
    expect(code, out).toBe(0);
    expect(out).toContain('listen.mqtt.port: the gateway listens');
    expect(out).toContain('model streaming-anomaly@1');
  });
});

describe('after it was stopped', () => {
  it('audit, receipts and devices read the files; doctor names who has a port', async () => {
    expect(await gateway.stop()).toBe(0);
    expect((await run('status')).err).toContain('GATEWAY_DOWN');
    const audit = await json('audit');
    expect(audit.holds).toBe(true);
    expect(audit.streams.find((s: { stream: string }) => s.stream === 'temperature').accepted).toBe(ROWS + 1);
    expect((await json('receipts', 'list')).receipts.length).toBe(20);
    const squatter = createServer();
    await new Promise<void>((done) => squatter.listen(gateway.ports.http, '127.0.0.1', done));
    const doctor = await run('doctor');
    squatter.close();
    expect(doctor.code).toBe(1);
    expect(doctor.out).toMatch(
      new RegExp(`bad +port tcp ${gateway.ports.http}.*taken by .* \\(process ${process.pid}\\)`),
    );
    expect(doctor.out).toContain('aimx-gateway start');
  });
});

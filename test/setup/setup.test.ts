import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { setupDone, setupView, stepAnswer } from '../../gateway/http/api/schemas/setup.ts';
import { Identities } from '../../gateway/security/identities.ts';
import { runSetup } from '../../gateway/setup/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';
import { mosquittoPath, startMosquitto } from '../support/mosquitto.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** A node of a chain as far as the setup asks it. */
async function startNode(chainId: number): Promise<string> {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const { method } = JSON.parse(text || '{}') as { method?: string };
      const result = method === 'eth_chainId' ? `0x${chainId.toString(16)}` : '0x';
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** NetworkManager's command line for a board with one network; writes down how it was called. */
function nmcli(folder: string): { program: string; calls: () => string } {
  const program = join(folder, 'nmcli');
  const log = join(folder, 'nmcli.log');
  writeFileSync(
    program,
    `#!/bin/sh
echo "$*" >> ${log}
case "$*" in
  *"-f TYPE device") echo ethernet; echo wifi ;;
  *"wifi list") printf '*:70:WPA2:Works\\n:30:WPA2:Works\\n:55::Caf\\\\:e\\n' ;;
  *passwd-file*) for last; do :; done; cat "$last" >> ${log}; grep -q 'psk:correct horse' "$last" || { echo "Error: Secrets were required" >&2; exit 4; } ;;
esac
`,
  );
  chmodSync(program, 0o755);
  return { program, calls: () => (existsSync(log) ? readFileSync(log, 'utf8') : '') };
}

async function setUp(text?: string) {
  const folder = temporaryFolder();
  const file = join(folder, 'gateway.yaml');
  if (text !== undefined) writeFileSync(file, text);
  const wifi = nmcli(folder);
  const stop = new AbortController();
  const log = recordingLog();
  const { promise, resolve } = Promise.withResolvers<{ url: string; code: string; codeFile: string }>();
  const ended = runSetup(
    {
      file,
      port: 0,
      host: '127.0.0.1',
      nmcli: wifi.program,
      clock: systemClock(),
      log,
      models: () => undefined,
      ready: resolve,
    },
    stop.signal,
  );
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  const where = await Promise.race([promise, ended.then(() => Promise.reject(new Error('it ended')))]);
  let token = '';
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${where.url}/api/v1/setup${path}`, {
      method,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  const claim = async () => {
    token = (await ask('POST', '/claim', { code: where.code.toLowerCase() })).body.token!;
  };
  return { folder, file, where, ask, claim, ended, wifi, log };
}

const ADMIN = { name: 'boss', password: 'four words nobody joins' };

describe('the first run', () => {
  it('asks for the claim code, which is kept in a file that only its owner reads', async () => {
    const { where, ask, claim } = await setUp();
    expect(where.code).toMatch(/^[A-Z2-9]{4}-[A-Z2-9]{4}$/);
    expect(readFileSync(where.codeFile, 'utf8')).toBe(`${where.code}\n`);
    expect(statSync(where.codeFile).mode & 0o777).toBe(0o600);
    const first = setupView.parse((await ask('GET', '')).body);
    expect(first).toMatchObject({
      state: 'missing',
      claimed: false,
      people: false,
      wifi: { available: true },
    });
    expect((await ask('POST', '/check/admin', ADMIN)).status).toBe(401);
    expect((await ask('POST', '', { place: { name: 'x' } })).status).toBe(401);
    for (let n = 0; n < 6; n++) expect((await ask('POST', '/claim', { code: 'AAAA-AAAA' })).status).toBe(401);
    const waiting = await ask('POST', '/claim', { code: where.code });
    expect([waiting.status, waiting.body.error]).toMatchObject([429, { code: 'THROTTLED' }]);
    await expect
      .poll(async () => (await ask('POST', '/claim', { code: where.code })).status, { timeout: 5000 })
      .toBe(200);
    await claim();
    expect((await ask('GET', '')).body).toMatchObject({ claimed: true });
    expect((await fetch(`${where.url}/`)).headers.get('content-type')).toContain('text/html');
    expect((await fetch(`${where.url}/health/ready`)).status).toBe(503);
  });

  it('says at once which entry is wrong and why', async () => {
    const { ask, claim } = await setUp();
    await claim();
    const node = await startNode(31337);
    const problems = async (step: string, entries: object) => {
      const answer = stepAnswer.parse((await ask('POST', `/check/${step}`, entries)).body);
      return answer.problems.map(({ field, message }) => `${field}: ${message}`);
    };
    expect(await problems('place', { name: 'plant-7', latitude: 1, longitude: 2 })).toEqual([]);
    expect(await problems('place', { name: 'no spaces', latitude: 1 })).toMatchObject([
      expect.stringContaining('name: '),
      expect.stringContaining('latitude: '),
    ]);
    expect(await problems('place', { name: 'x', wifi: { ssid: 'Elsewhere' } })).toEqual([
      'wifi.ssid: this network is not in reach',
    ]);
    expect(await problems('place', { name: 'x', wifi: { ssid: 'Works', password: 'short' } })).toHaveLength(
      1,
    );
    expect(await problems('admin', { name: 'a/b', password: 'short' })).toMatchObject([
      expect.stringContaining('name: '),
      expect.stringContaining('password: '),
    ]);
    expect(await problems('admin', ADMIN)).toEqual([]);
    expect(await problems('links', { upstream: { url: 'ftp://x' } })).toHaveLength(1);
    expect(await problems('links', { upstream: { url: 'mqtt://127.0.0.1:1' } })).toEqual([
      'upstream.url: 127.0.0.1:1: ECONNREFUSED',
    ]);
    expect(await problems('links', { upstream: { url: node.replace('http', 'mqtt') } })).toHaveLength(1);
    expect(
      await problems('links', { upstream: { url: node }, chain: { rpcUrl: node, chainId: 31337 } }),
    ).toEqual([]);
    expect(await problems('links', { chain: { rpcUrl: node, chainId: 1 } })).toEqual([
      'chain.chainId: the node serves chain 31337',
    ]);
    const ledger = `0x${'1'.repeat(40)}`;
    expect(await problems('links', { chain: { rpcUrl: node, chainId: 31337, ledger } })).toEqual([
      'chain.ledger: there is no contract at this address',
    ]);
    const networks = (await ask('GET', '/wifi')).body;
    expect(networks).toEqual({
      networks: [
        { ssid: 'Works', signal: 70, secured: true, active: true },
        { ssid: 'Caf:e', signal: 55, secured: false, active: false },
      ],
    });
  });

  it('writes a configuration that is right, adds the admin, and goes on', async () => {
    const { file, folder, where, ask, claim, ended, wifi, log } = await setUp();
    await claim();
    const path = mosquittoPath();
    const broker = path && (await startMosquitto(path));
    const entries = {
      place: {
        name: 'plant-7',
        latitude: 48.1,
        longitude: 11.6,
        wifi: { ssid: 'Works', password: 'correct horse' },
      },
      admin: ADMIN,
      links: {
        open: true,
        ...(broker
          ? { upstream: { url: `mqtt://127.0.0.1:${broker.port}`, username: 'gw', password: 'geheim' } }
          : {}),
        chain: { rpcUrl: await startNode(31337), chainId: 31337 },
      },
    };
    const refused = await ask('POST', '', { ...entries, admin: undefined });
    expect([refused.status, refused.body.error]).toMatchObject([422, { code: 'SETUP_ENTRIES' }]);
    const wrong = {
      ...entries,
      place: { ...entries.place, wifi: { ssid: 'Works', password: 'wrong horse' } },
    };
    expect((await ask('POST', '', wrong)).body.error).toMatchObject({
      code: 'SETUP_WIFI',
      message: 'the network: Error: Secrets were required',
    });
    expect(existsSync(file)).toBe(false);
    const done = await ask('POST', '', entries);
    expect([done.status, setupDone.parse(done.body)]).toMatchObject([201, { file, backup: null }]);
    expect(await ended).toBe(true);
    const text = readFileSync(file, 'utf8');
    const { config } = parseConfig(text, file);
    expect(config).toMatchObject({
      gateway: { name: 'plant-7', location: { latitude: 48.1, longitude: 11.6 } },
      listen: { host: '0.0.0.0', http: { port: Number(new URL(where.url).port) } },
      auth: { anonymous: false },
      billing: { chain: { chainId: 31337, keystore: join(folder, 'keys/device.json') } },
    });
    expect(text).toContain('# Configuration of the AIMX edge gateway');
    if (broker) {
      expect(config.upstream[0]?.mqtt).toMatchObject({
        username: 'gw',
        passwordFile: join(folder, 'keys/upstream-password'),
      });
      expect(statSync(join(folder, 'keys/upstream-password')).mode & 0o777).toBe(0o600);
    }
    expect(text + JSON.stringify(log.lines)).not.toMatch(/geheim|correct horse|four words/);
    expect(new Identities(config.gateway.dataDir).person('boss')?.role).toBe('admin');
    expect(existsSync(where.codeFile)).toBe(false);
    // Others see the arguments of a process: only its file holds the password.
    expect(
      wifi
        .calls()
        .split('\n')
        .filter((line) => line.includes('horse')),
    ).toEqual(['802-11-wireless-security.psk:wrong horse', '802-11-wireless-security.psk:correct horse']);
    await expect(fetch(where.url)).rejects.toThrow();
  });
});

describe('a broken configuration', () => {
  const BROKEN = 'gateway: { name: plant-7 }\nstreams:\n  - id: a\n    decod: json\n';

  it('is shown with the error at its line to who may see it, mended in the browser, and kept beside', async () => {
    const { file, ask, claim, ended } = await setUp(BROKEN);
    expect((await ask('GET', '')).body).toMatchObject({
      state: 'broken',
      issues: [],
      text: null,
      etag: expect.any(String),
    });
    await claim();
    const { body } = await ask('GET', '');
    expect(body).toMatchObject({
      text: BROKEN,
      error: { code: 'CONFIG_INVALID' },
      issues: [{ line: 4, column: 5, path: 'streams[0].decod' }],
    });
    const mended = BROKEN.replace('decod:', 'decode:');
    expect((await ask('PUT', '/settings', { text: mended })).status).toBe(428);
    expect((await ask('PUT', '/settings', { text: BROKEN }, { 'if-match': body.etag! })).status).toBe(422);
    expect((await ask('POST', '/settings/check', { text: mended })).body).toMatchObject({ valid: true });
    const saved = await ask('PUT', '/settings', { text: mended }, { 'if-match': body.etag! });
    expect([saved.status, saved.body]).toMatchObject([200, { backup: `${file}.1.bak` }]);
    expect(await ended).toBe(true);
    expect([readFileSync(file, 'utf8'), readFileSync(`${file}.1.bak`, 'utf8')]).toEqual([mended, BROKEN]);
  });

  it('may also be mended by hand', async () => {
    const { file, ended } = await setUp(BROKEN);
    writeFileSync(file, BROKEN.replace('decod:', 'decode:'));
    expect(await ended).toBe(true);
  });
});

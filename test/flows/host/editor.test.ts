import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { parseConfig } from '../../../gateway/config/index.ts';
import { hostUser, requireReach } from '../../../gateway/flows/host-user.ts';
import { Flows } from '../../../gateway/flows/index.ts';
import { HOST_PROGRAM } from '../../../gateway/flows/spawn-host.ts';
import { createHttpServer, type HttpServer } from '../../../gateway/http/index.ts';
import { type Access, createAccess } from '../../../gateway/security/index.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { recordingAlarms } from '../../support/alarms.ts';
import { manualClock } from '../../support/clock.ts';
import { recordingLog } from '../../support/log.ts';
import { cheapPassword } from '../../support/people.ts';
import { keptFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { someViews } from '../../support/views.ts';

const PASSWORD = 'of a node and nobody else';
const SLOW = 60_000;

/** One tab with a node of each kind that the tests use. */
const flowsWith = (code: string): object[] => [
  { id: 'tab', type: 'tab', label: 'Heating' },
  { id: 'in', type: 'http in', z: 'tab', x: 1, y: 1, url: '/echo', method: 'get', wires: [['fn']] },
  {
    id: 'fn',
    type: 'function',
    z: 'tab',
    x: 2,
    y: 1,
    name: 'scale',
    func: code,
    outputs: 1,
    wires: [['out']],
  },
  { id: 'out', type: 'http response', z: 'tab', x: 3, y: 1, wires: [] },
];
const ECHO = 'msg.payload = msg.req.headers; return msg;';
const OWN_CREDENTIALS = {
  id: 'mq',
  type: 'mqtt-broker',
  broker: '127.0.0.1',
  port: '1',
  credentials: { user: 'x', password: PASSWORD },
};

/** Why Node-RED cannot be run here; undefined when it can. */
function obstacle(): string | undefined {
  try {
    import.meta.resolve('node-red');
    const user = hostUser('nobody');
    if (user) requireReach(user, [process.execPath, HOST_PROGRAM]);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const missing = obstacle();
if (missing !== undefined) console.log(`Node-RED cannot be run here, its tests are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the flow editor', () => {
  const { folder, remove } = keptFolder();
  const dataDir = join(folder, 'data');
  const log = recordingLog();
  const alarms = recordingAlarms();
  const clock = manualClock();
  let flows: Flows;
  let access: Access;
  let server: HttpServer;
  let base = '';
  let host = '';
  const cookies: Record<string, string> = {};

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(base + path, { headers, redirect: 'manual' });
  const as = (name: string) => ({ cookie: cookies[name]!, origin: base });
  const deploy = (list: object[], headers = as('ann')) =>
    fetch(`${base}/flows/flows`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'node-red-deployment-type': 'full' },
      body: JSON.stringify(list),
    });
  const running = () => until(() => flows.status().state === 'running', 'the flows to run', SLOW);

  beforeAll(async () => {
    const { chmodSync, mkdirSync } = await import('node:fs');
    chmodSync(folder, 0o711);
    mkdirSync(dataDir, { mode: 0o700 });
    const { config } = parseConfig(
      'auth: { anonymous: true }\nlisten: { http: { port: 0 } }\nflows: { enabled: true, fallback: { crashes: 1, goodAfter: 200ms } }\n',
      '/x/gateway.yaml',
    );
    access = createAccess({ config, dataDir, clock, log });
    access.identities.addPerson('ann', 'admin', cheapPassword('right'), 0);
    access.identities.addPerson('bob', 'viewer', cheapPassword('right'), 0);
    flows = new Flows({
      config: config.flows,
      name: 'test',
      dataDir,
      clock: systemClock({ value: 0 }),
      log,
      alarms,
      own: () => ({
        mqtt: '',
        http: '',
        user: 'aimx-flows',
        password: 'of-the-gateway',
        token: 'of-the-gateway',
      }),
    });
    server = createHttpServer({ config, views: someViews(), access, flows, clock, log });
    await server.start(new AbortController().signal);
    [base] = server.addresses as [string];
    host = new URL(base).host;
    for (const name of ['ann', 'bob']) {
      const answer = await fetch(`${base}/api/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, password: 'right' }),
      });
      cookies[name] = answer.headers.get('set-cookie')!.split(';', 1)[0]!;
    }
    expect((await get('/flows/', as('ann'))).status).toBe(503);
    await flows.start();
    // Nothing was ever deployed: nothing runs, until an admin looks.
    expect((await get('/flows/', as('bob'))).status).toBe(403);
    expect(flows.status()).toMatchObject({ state: 'idle', pid: null });
    const waiting = await get('/flows/', { ...as('ann'), accept: 'text/html' });
    expect([waiting.status, waiting.headers.get('refresh')]).toEqual([503, '2']);
    await running();
  }, SLOW);

  afterAll(async () => {
    await server?.stop();
    await flows?.stop();
    await access?.stop();
    remove();
  }, SLOW);

  it('is for admins who have logged in, and for nobody else', async () => {
    const token = `Bearer ${access.identities.addToken('script', 'admin', 0)}`;
    const viewer = `Bearer ${access.identities.addToken('grafana', 'viewer', 0)}`;
    const matrix: [string, Record<string, string>, number][] = [
      ['nobody, from loopback, on an open gateway', {}, 401],
      ['a viewer', as('bob'), 403],
      ['a viewer by token', { authorization: viewer }, 403],
      ['the flows themselves', { authorization: `Bearer ${access.flowsToken}` }, 403],
      ['who makes up a secret', { 'x-aimx-flows': 'secret admin ann' }, 401],
      ['a viewer who makes up a secret', { ...as('bob'), 'x-aimx-flows': 'secret admin ann' }, 403],
      ['an admin', as('ann'), 200],
      ['an admin by token', { authorization: token }, 200],
    ];
    for (const [who, headers, expected] of matrix) {
      for (const path of ['/flows/', '/flows/settings', '/flows/flows'])
        expect((await get(path, headers)).status, `${who} ${path}`).toBe(expected);
    }
    expect((await get('/flows/', { accept: 'text/html' })).headers.get('location')).toBe(
      '/#/login?back=flows',
    );
    expect((await deploy([], { cookie: cookies.ann!, origin: 'http://evil.example' })).status).toBe(403);
    const settings = await (await get('/flows/settings', as('ann'))).json();
    expect(settings).toMatchObject({ user: { username: 'ann', permissions: '*' }, telemetryEnabled: false });
    const climbing = await new Promise<number | undefined>((resolve) => {
      const path = '/flows/http/%2e%2e/settings';
      request({ port: server.port, host: '127.0.0.1', path, headers: as('bob') }, (answer) =>
        resolve(answer.resume().statusCode),
      ).end();
    });
    expect(climbing).toBe(400);
  });

  it('lets nobody in beside the gateway, and its pages ask nobody else', async () => {
    const sockets = readFileSync('/proc/net/unix', 'utf8').match(/\S*aimx-flows-\S+\.sock/g) ?? [];
    expect(sockets.length).toBeGreaterThan(0);
    for (const socketPath of new Set(sockets)) {
      for (const headers of [{}, { 'x-aimx-flows': 'secret admin ann' }, { authorization: 'Bearer x' }]) {
        const status = await new Promise((resolve) => {
          const asked = request({ socketPath, path: '/flows/settings', headers }, (answer) =>
            resolve(answer.resume().statusCode),
          );
          // Another gateway's, which has just ended.
          asked.once('error', () => resolve(401));
          asked.end();
        });
        expect(status).toBe(401);
      }
    }
    const page = await get('/flows/', as('ann'));
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const settings = (await (await get('/flows/settings', as('ann'))).json()) as Record<string, never>;
    expect(settings).toMatchObject({
      editorTheme: { palette: { catalogues: [] } },
      externalModules: { palette: { allowInstall: false, allowUpload: false } },
    });
    const install = await fetch(`${base}/flows/nodes`, {
      method: 'POST',
      headers: { ...as('ann'), 'content-type': 'application/json' },
      body: JSON.stringify({ module: 'node-red-contrib-anything' }),
    });
    expect(install.status).toBe(404);
    const telemetry = await fetch(`${base}/flows/settings/user`, {
      method: 'POST',
      headers: { ...as('ann'), 'content-type': 'application/json' },
      body: JSON.stringify({ telemetryEnabled: true }),
    });
    expect(telemetry.status).toBeLessThan(300);
    expect(await (await get('/flows/settings', as('ann'))).json()).toMatchObject({ telemetryEnabled: false });
  });

  it('keeps each deploy with its author, and its secrets where they belong', async () => {
    expect((await deploy([...flowsWith(ECHO), OWN_CREDENTIALS])).status).toBe(204);
    await until(
      () => flows.snapshots()[0]?.good !== null && flows.snapshots().length > 0,
      'good flows',
      SLOW,
    );
    expect(flows.snapshots()[0]).toMatchObject({ author: 'ann', nodes: 5, current: true, failed: null });
    const seen = await until(
      async () => (await get('/flows/http/echo', as('bob'))).status === 200,
      'the endpoint of the flow',
    ).then(async () =>
      (
        await get('/flows/http/echo', { ...as('bob'), cookie: `a=b; ${cookies.bob}`, authorization: '' })
      ).json(),
    );
    expect(seen).toMatchObject({ cookie: 'a=b', host });
    const told = JSON.stringify(seen);
    for (const own of ['aimx_session', 'x-aimx-flows', cookies.bob!.split('=')[1]!])
      expect(told).not.toContain(own);
    expect((await get('/flows/http/echo')).status).toBe(200);
    for (const foreign of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'http://evil.example' }])
      expect((await get('/flows/http/echo', foreign)).status).toBe(403);
    expect((await get('/flows/http/echo', { host: 'evil.example', authorization: 'Bearer x' })).status).toBe(
      401,
    );

    const kept =
      readFileSync(join(dataDir, 'flows/flows.json'), 'utf8') + JSON.stringify(await flows.snapshot(1));
    const key = readFileSync(join(dataDir, 'flows/credential.key'), 'utf8').trim();
    const pid = flows.status().pid!;
    const process_ =
      readFileSync(`/proc/${pid}/environ`, 'utf8') + readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    for (const secret of [PASSWORD, key, 'of-the-gateway']) {
      expect(kept.includes(secret), 'in the flows').toBe(false);
      expect(process_.includes(secret), 'in environment or arguments').toBe(false);
      expect(
        log.lines.some((line) => JSON.stringify(line).includes(secret)),
        'in the log',
      ).toBe(false);
    }
    const owner = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    expect(owner).not.toBe('0');
  });

  it('joins the editor’s WebSocket for as long as its login lasts', async () => {
    const open = (headers: Record<string, string>) =>
      new WebSocket(`${base.replace('http', 'ws')}/flows/comms`, { headers });
    const outcome = (socket: WebSocket) =>
      new Promise<string>((resolve) => {
        socket.once('open', () => resolve('open'));
        socket.once('error', (error) => resolve(error.message));
      });
    expect(await outcome(open(as('bob')))).toContain('403');
    expect(await outcome(open({ cookie: cookies.ann!, origin: 'http://evil.example' }))).toContain('403');
    expect(await outcome(open({ cookie: cookies.ann! }))).toContain('403');
    expect(await outcome(open({ origin: base }))).toContain('401');
    const socket = open(as('ann'));
    expect(await outcome(socket)).toBe('open');
    const said = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));
    socket.send(JSON.stringify({ subscribe: 'notification/#' }));
    expect(JSON.parse(await said)).toBeInstanceOf(Array);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    access.logout(cookies.ann!.split('=')[1]!);
    clock.advance(15_000);
    await closed;
    const again = await fetch(`${base}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ann', password: 'right' }),
    });
    cookies.ann = again.headers.get('set-cookie')!.split(';', 1)[0]!;
  });

  it(
    'brings back the last good flows when a new one crashes, and names the node',
    async () => {
      const good = flows.snapshots()[0]!.id;
      const bad = 'Promise.reject(new Error("the sensor is gone")); msg.payload = 1; return msg;';
      expect((await deploy([...flowsWith(bad), OWN_CREDENTIALS])).status).toBe(204);
      const { pid } = flows.status();
      await until(
        async () => {
          await get('/flows/http/echo', as('bob')).catch(() => undefined);
          return alarms.history.some(({ kind }) => kind === 'flows-fell-back');
        },
        'the alarm',
        SLOW,
      );
      const { message, fix } = alarms.history.find(({ kind }) => kind === 'flows-fell-back')!;
      expect(message).toContain('the sensor is gone');
      expect(message).toContain('function "scale" in "Heating" (fn)');
      expect(message).toContain(`snapshot ${good}`);
      expect(fix).toContain(`flows restore ${good + 1}`);
      expect(flows.snapshots()[0]).toMatchObject({
        good: null,
        failed: expect.stringContaining('sensor'),
        current: false,
      });
      await until(
        () => flows.status().state === 'running' && flows.status().pid !== pid,
        'the good flows',
        SLOW,
      );
      await until(
        async () => (await get('/flows/http/echo', as('bob'))).status === 200,
        'the good flow to answer',
        SLOW,
      );
      // Its credentials came back with it.
      const page = await get('/flows/credentials/mqtt-broker/mq', as('ann'));
      expect(await page.json()).toMatchObject({ user: 'x', has_password: true });
    },
    3 * SLOW,
  );
});

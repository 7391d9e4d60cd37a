import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { apiRoutes } from '../../gateway/http/api/index.ts';
import { createHttpServer, type UpgradeHandler, type Views } from '../../gateway/http/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { sealPassword } from '../../gateway/security/secrets.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { someViews, status } from '../support/views.ts';

function setUp(
  options: { anonymous?: boolean; port?: number; views?: Partial<Views>; upgrade?: UpgradeHandler } = {},
) {
  const clock = manualClock();
  const log = recordingLog();
  const { config } = parseConfig(
    `auth: { anonymous: ${options.anonymous ?? false} }\nlisten: { http: { port: ${options.port ?? 0} } }\n`,
    '/x/gateway.yaml',
  );
  const access = createAccess({ config, dataDir: temporaryFolder(), clock, log });
  const { identities } = access;
  const views = someViews(options.views);
  const server = createHttpServer({ config, views, access, upgrade: options.upgrade, clock, log });
  onTestFinished(() => server.stop());
  const admin = { authorization: `Bearer ${access.localToken}` };
  const viewer = () => ({ authorization: `Bearer ${identities.addToken('grafana', 'viewer', 0)}` });
  return { server, access, admin, viewer, clock, log, identities };
}

const READ = ['status', 'streams', 'devices', 'models', 'results', 'receipts', 'rejected', 'audit'];

describe('who may come in', () => {
  it('health, the page, its description and login are open; nothing else is', async () => {
    const { server } = setUp();
    for (const url of ['/health/live', '/health/ready', '/', '/api/v1/openapi.json']) {
      expect((await server.inject({ url })).statusCode, url).toBe(200);
    }
    for (const url of ['/metrics', ...READ.map((name) => `/api/v1/${name}`)]) {
      const answer = await server.inject({ url });
      expect(answer.statusCode, url).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.json().error.code).toBe('UNAUTHORIZED');
    }
  });

  it('a viewer reads, an admin changes', async () => {
    const { server, admin, viewer } = setUp();
    const headers = viewer();
    for (const name of READ) {
      expect((await server.inject({ url: `/api/v1/${name}`, headers })).statusCode, name).toBe(200);
    }
    const add = (who: Record<string, string>) =>
      server.inject({ method: 'POST', url: '/api/v1/devices', headers: who, payload: { name: 'press-1' } });
    expect((await add(headers)).json().error.code).toBe('FORBIDDEN');
    const added = await add(admin);
    expect(added.statusCode).toBe(201);
    expect(added.json().secret.length).toBe(32);
    expect((await add(admin)).statusCode).toBe(409);
    const revoke = () => server.inject({ method: 'DELETE', url: '/api/v1/devices/press-1', headers: admin });
    expect((await revoke()).json()).toEqual({ name: 'press-1', revoked: true });
    expect((await revoke()).statusCode).toBe(404);
  });

  it('loopback reads without a token when anonymous access is configured, and never changes', async () => {
    const { server } = setUp({ anonymous: true });
    const get = (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
      server.inject({ url: '/api/v1/status', headers, remoteAddress });
    expect((await get({ host: '127.0.0.1:8080' })).statusCode).toBe(200);
    expect((await get({ host: 'localhost:8080' })).statusCode).toBe(200);
    expect((await get({ host: '[::1]:8080' })).statusCode).toBe(200);
    expect((await get({ host: 'evil.example' })).statusCode).toBe(401);
    expect((await get({ host: '127.0.0.1' }, '10.0.0.9')).statusCode).toBe(401);
    const change = await server.inject({ method: 'POST', url: '/api/v1/devices', payload: { name: 'x' } });
    expect(change.statusCode).toBe(401);
  });

  it('login opens a session and slows down guessing', async () => {
    const { server, identities } = setUp();
    identities.addPerson('admin', 'admin', await sealPassword('correct horse'), 0);
    const login = (password: string) =>
      server.inject({ method: 'POST', url: '/api/v1/login', payload: { name: 'admin', password } });
    const { token } = (await login('correct horse')).json();
    const headers = { authorization: `Bearer ${token}` };
    expect((await server.inject({ url: '/api/v1/status', headers })).statusCode).toBe(200);
    for (let i = 0; i < 6; i++) expect((await login('wrong')).statusCode).toBe(401);
    expect((await login('wrong')).statusCode).toBe(429);
  });
});

describe('what it answers', () => {
  it('is what its schemas say', async () => {
    const { server, admin, access } = setUp();
    const routes = apiRoutes({
      views: someViews(),
      access,
      devices: access,
    });
    for (const route of routes.filter((r) => r.method === 'GET')) {
      const url = route.path.replaceAll(/:(\w+)/g, '1');
      const answer = await server.inject({ url, headers: admin });
      expect(route.answer.safeParse(answer.json()).error, route.path).toBeUndefined();
    }
    const document = (await server.inject({ url: '/api/v1/openapi.json' })).json();
    for (const name of READ) expect(document.paths[`/api/v1/${name}`].get.responses['200']).toBeDefined();
    expect(document.paths['/api/v1/devices/{name}'].delete.parameters[0].name).toBe('name');
    expect(
      document.paths['/api/v1/devices'].post.requestBody.content['application/json'].schema.required,
    ).toEqual(['name']);
  });

  it('checks queries and bodies', async () => {
    const { server, admin: headers } = setUp();
    for (const url of ['?limit=0', '?limit=9999', '?limit=x', '?colour=red']) {
      const answer = await server.inject({ url: `/api/v1/results${url}`, headers });
      expect(answer.statusCode, url).toBe(400);
      expect(answer.json().error.code).toBe('HTTP_REQUEST');
    }
    const post = (payload: string, type = 'application/json') =>
      server.inject({
        method: 'POST',
        url: '/api/v1/devices',
        headers: { ...headers, 'content-type': type },
        payload,
      });
    expect((await post('{')).statusCode).toBe(400);
    expect((await post('{"name":"x","colour":1}')).statusCode).toBe(400);
    expect((await post('{"__proto__":{},"name":"x"}')).statusCode).toBe(400);
    expect((await post('name=x', 'text/plain')).statusCode).toBe(415);
    expect((await post(JSON.stringify({ name: 'x'.repeat(70_000) }))).statusCode).toBe(413);
    expect((await server.inject({ url: '/api/v1/nothing', headers })).json().error.code).toBe('NOT_FOUND');
  });

  it('tells its own faults to the log, not to the caller', async () => {
    const views = {
      audit: async () => {
        throw new Error('secret words of the database');
      },
    };
    const { server, admin: headers, log } = setUp({ views });
    const answer = await server.inject({ url: '/api/v1/audit', headers });
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret words');
    expect(log.lines.some((line) => line.level === 'error')).toBe(true);
  });

  it('is not ready while a part is not', async () => {
    const { server } = setUp({
      views: { health: () => ({ live: true, ready: false, reasons: ['models are loading'] }) },
    });
    expect((await server.inject({ url: '/health/live' })).statusCode).toBe(200);
    const ready = await server.inject({ url: '/health/ready' });
    expect(ready.statusCode).toBe(503);
    expect(ready.json().reasons).toEqual(['models are loading']);
  });
});

describe('metrics', () => {
  it('are Prometheus text without devices or clients in labels', async () => {
    const { server, admin: headers } = setUp();
    for (let i = 0; i < 2; i++) {
      const answer = await server.inject({ url: '/metrics', headers });
      expect(answer.headers['content-type']).toContain('text/plain');
      expect(answer.body).toContain('aimx_stream_accepted_total{stream="temperature"} 100\n');
      expect(answer.body).toContain(
        'aimx_pipeline_latency_seconds{pipeline="anomaly",quantile="0.99"} 0.0099\n',
      );
      expect(answer.body).toContain('aimx_upstream_backlog{sink="cloud"} 7\n');
      expect(answer.body).toContain('aimx_alarms{severity="warning"} 1\n');
      expect(answer.body).not.toContain('press-1');
      const labels = new Set([...answer.body.matchAll(/[{,](\w+)="/g)].map((match) => match[1]));
      expect([...labels].sort()).toEqual([
        'aggregate',
        'pipeline',
        'quantile',
        'severity',
        'sink',
        'stream',
        'version',
        'what',
      ]);
    }
  });
});

describe('on a socket', () => {
  it('starts on a free port and stops', async () => {
    const { server, admin } = setUp();
    await server.start(new AbortController().signal);
    expect(server.addresses[0]).toBe(`http://127.0.0.1:${server.port}`);
    const answer = await fetch(`${server.addresses[0]}/api/v1/status`, { headers: admin });
    expect(((await answer.json()) as { gateway: string }).gateway).toBe(status().gateway);
    await server.stop();
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${server.port}/health/live`)).rejects.toThrow();
  });

  it('says who cannot listen', async () => {
    const one = setUp().server;
    await one.start(new AbortController().signal);
    const two = setUp({ port: one.port }).server;
    await expect(two.start(new AbortController().signal)).rejects.toMatchObject({ code: 'HTTP_LISTEN' });
  });

  it('hands WebSocket requests for /mqtt over, and refuses others', async () => {
    const upgraded: string[] = [];
    const { server } = setUp({
      anonymous: true,
      upgrade: (message, socket) => {
        upgraded.push(message.url ?? '');
        socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      },
    });
    await server.start(new AbortController().signal);
    const ask = (path: string, headers: Record<string, string> = {}): Promise<number> =>
      new Promise((resolve, reject) => {
        const req = request({
          port: server.port,
          path,
          headers: { connection: 'Upgrade', upgrade: 'websocket', ...headers },
        });
        req.on('upgrade', (response, socket) => {
          socket.destroy();
          resolve(response.statusCode ?? 0);
        });
        req.on('response', (response) => resolve(response.statusCode ?? 0));
        req.on('error', reject);
        req.end();
      });
    expect(await ask('/mqtt')).toBe(101);
    expect(
      await ask('/mqtt?x=1', { origin: `http://localhost:${server.port}`, host: `localhost:${server.port}` }),
    ).toBe(101);
    expect(await ask('/mqtt', { origin: 'https://evil.example' })).toBe(403);
    expect(await ask('/other')).toBe(404);
    expect(upgraded).toEqual(['/mqtt', '/mqtt?x=1']);
  });

  it('survives what is not HTTP', async () => {
    const { server } = setUp();
    await server.start(new AbortController().signal);
    for (const text of [
      '\0\0\0\0',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`,
      'GET /%%%',
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.end(text));
        socket.on('close', () => resolve());
        socket.on('error', () => {});
        socket.resume();
      });
    }
    expect((await fetch(`${server.addresses[0]}/health/live`)).status).toBe(200);
  });
});

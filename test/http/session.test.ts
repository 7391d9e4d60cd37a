import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { createHttpServer } from '../../gateway/http/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { sealPassword } from '../../gateway/security/secrets.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { someViews } from '../support/views.ts';

const HOST = 'gateway.local:8080';
const OWN = { host: HOST, origin: `http://${HOST}` };
const PASSWORD = 'correct horse';

async function setUp(anonymous = false) {
  const clock = manualClock();
  const log = recordingLog();
  const { config } = parseConfig(
    `auth: { anonymous: ${anonymous} }\nlisten: { http: { port: 0 } }\n`,
    '/x/gateway.yaml',
  );
  const access = createAccess({ config, dataDir: temporaryFolder(), clock, log });
  const secret = await sealPassword(PASSWORD);
  access.identities.addPerson('ann', 'admin', secret, 0);
  access.identities.addPerson('bob', 'viewer', secret, 0);
  const server = createHttpServer({ config, views: someViews(), access, clock, log });
  onTestFinished(async () => {
    await server.stop();
    await access.stop();
  });
  const login = (name: string, headers: object = OWN, password = PASSWORD) =>
    server.inject({
      method: 'POST',
      url: '/api/v1/session',
      headers: { ...headers },
      payload: { name, password },
    });
  const cookieOf = async (name: string): Promise<{ cookie: string }> => {
    const set = String((await login(name)).headers['set-cookie']);
    return { cookie: set.split(';', 1)[0]! };
  };
  const add = (headers: object, name: string) =>
    server.inject({ method: 'POST', url: '/api/v1/devices', headers: { ...headers }, payload: { name } });
  const status = (headers: object) => server.inject({ url: '/api/v1/status', headers: { ...headers } });
  return { access, clock, server, login, cookieOf, add, status };
}

describe('logging in with a browser', () => {
  it('sets a cookie that no script and no other site gets, and tells who it is', async () => {
    const { server, login, cookieOf } = await setUp();
    const answer = await login('ann');
    expect(answer.statusCode).toBe(204);
    expect(answer.body).toBe('');
    const cookie = String(answer.headers['set-cookie']);
    expect(cookie).toMatch(/^aimx_session=[\w-]{32}; Expires=[^;]+GMT; Path=\/; HttpOnly; SameSite=Strict$/);
    const overTls = await login('ann', { host: HOST, origin: `https://${HOST}` });
    expect(overTls.headers['set-cookie']).toMatch(/; Secure$/);
    const who = await server.inject({ url: '/api/v1/session', headers: await cookieOf('bob') });
    expect(who.json()).toEqual({ name: 'bob', role: 'viewer' });
    expect((await server.inject({ url: '/api/v1/session' })).statusCode).toBe(401);
    expect((await login('ann', OWN, 'wrong')).json().error.code).toBe('UNAUTHORIZED');
    expect((await login('nobody')).json().error.message).toBe(
      (await login('ann', OWN, 'wrong')).json().error.message,
    );
  });

  it('ends with logging out, here and for whoever copied the cookie', async () => {
    const { server, cookieOf, status } = await setUp();
    const cookie = await cookieOf('ann');
    expect((await status(cookie)).statusCode).toBe(200);
    const out = await server.inject({
      method: 'DELETE',
      url: '/api/v1/session',
      headers: { ...OWN, ...cookie },
    });
    expect(out.statusCode).toBe(204);
    expect(out.headers['set-cookie']).toMatch(/^aimx_session=; Max-Age=0;/);
    expect((await status(cookie)).statusCode).toBe(401);
  });

  it('never goes on with a session that somebody else may have planted', async () => {
    const { cookieOf, login, status } = await setUp();
    const planted = await cookieOf('bob');
    const answer = await login('ann', { ...OWN, ...planted });
    const own = { cookie: String(answer.headers['set-cookie']).split(';', 1)[0]! };
    expect(own).not.toEqual(planted);
    expect((await status(planted)).statusCode).toBe(401);
    expect((await status(own)).statusCode).toBe(200);
    // A second cookie of that name, as a neighbour on the same domain could set it.
    expect((await status({ cookie: `${own.cookie}; ${planted.cookie}` })).statusCode).toBe(401);
    expect((await status({ cookie: `a=b; ${own.cookie}; c=d` })).statusCode).toBe(200);
  });
});

describe('who may do what', () => {
  it('is the same by cookie and by token', async () => {
    const { access, cookieOf, add, status } = await setUp();
    const token = (name: string, role: 'admin' | 'viewer') => ({
      authorization: `Bearer ${access.identities.addToken(name, role, 0)}`,
    });
    const matrix = [
      ['nobody', {}, 401, 401],
      ['viewer by cookie', { ...OWN, ...(await cookieOf('bob')) }, 200, 403],
      ['admin by cookie', { ...OWN, ...(await cookieOf('ann')) }, 200, 201],
      ['viewer by token', token('grafana', 'viewer'), 200, 403],
      ['admin by token', token('script', 'admin'), 200, 201],
      ['a cookie of nobody', { ...OWN, cookie: `aimx_session=${'x'.repeat(32)}` }, 401, 401],
      ['an empty cookie', { ...OWN, cookie: 'aimx_session=' }, 401, 401],
    ] as const;
    for (const [who, headers, read, change] of matrix) {
      expect((await status(headers)).statusCode, `${who} reads`).toBe(read);
      expect((await add(headers, who.replaceAll(' ', '-'))).statusCode, `${who} changes`).toBe(change);
    }
  });

  it('on an open gateway, looking needs no login and changing still does', async () => {
    const { server, cookieOf, add, status } = await setUp(true);
    const local = { host: 'localhost:8080' };
    expect((await status(local)).statusCode).toBe(200);
    expect((await status({ ...local, cookie: 'aimx_session=old' })).statusCode).toBe(200);
    const who = await server.inject({ url: '/api/v1/session', headers: local });
    expect(who.json()).toEqual({ name: 'anonymous', role: 'viewer' });
    expect((await add(local, 'x')).statusCode).toBe(401);
    expect((await add({ ...OWN, ...(await cookieOf('ann')) }, 'x')).statusCode).toBe(201);
  });
});

describe('a page of another site', () => {
  it('can change nothing with the cookie of its visitor', async () => {
    const { access, cookieOf, add, server } = await setUp();
    const cookie = await cookieOf('ann');
    const foreign = [
      { host: HOST },
      { host: HOST, origin: 'null' },
      { host: HOST, origin: '' },
      { host: HOST, origin: 'http://evil.example' },
      { host: HOST, origin: 'http://gateway.local' },
      { host: HOST, origin: 'http://gateway.local:8081' },
      { host: HOST, origin: 'http://gateway.local:8080.evil.example' },
      { host: HOST, origin: `http://evil.example/http://${HOST}` },
    ];
    for (const headers of foreign) {
      const answer = await add({ ...headers, ...cookie }, 'x');
      expect(answer.json().error.code, JSON.stringify(headers)).toBe('CROSS_SITE');
    }
    const infer = await server.inject({
      method: 'DELETE',
      url: '/api/v1/devices/x',
      headers: { ...foreign[3], ...cookie },
    });
    expect(infer.statusCode).toBe(403);
    expect(access.identities.devices()).toEqual([]);
    // The same in capitals is the same host; a program with a token sends no Origin.
    expect((await add({ host: 'GATEWAY.local:8080', origin: OWN.origin, ...cookie }, 'x')).statusCode).toBe(
      201,
    );
  });

  it('cannot log its visitor in or out', async () => {
    const { login, server, cookieOf, status } = await setUp();
    const foreign = { host: HOST, origin: 'http://evil.example' };
    expect((await login('bob', foreign)).json().error.code).toBe('CROSS_SITE');
    const cookie = await cookieOf('ann');
    const out = await server.inject({
      method: 'DELETE',
      url: '/api/v1/session',
      headers: { ...foreign, ...cookie },
    });
    expect(out.statusCode).toBe(403);
    expect((await status(cookie)).statusCode).toBe(200);
    expect((await login('bob', { host: HOST })).statusCode).toBe(204);
  });
});

import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { sealPassword } from '../../gateway/security/secrets.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

const YAML = `
streams:
  - { id: temperature, from: { mqtt: "plant/{device}/temperature", coap: "/plant/{device}/t" } }
  - { id: shared, from: { mqtt: hall/noise } }
  - { id: wide, from: { mqtt: "{site}/{device}/log/#" } }
`;

function setUp(options: { anonymous?: boolean } = {}) {
  const { config } = parseConfig(
    `auth: { anonymous: ${options.anonymous ?? false} }\n${YAML}`,
    '/x/gateway.yaml',
  );
  const clock = manualClock();
  const dataDir = temporaryFolder();
  const access = createAccess({ config, dataDir, clock, log: recordingLog() });
  const enter = (username: string, password: string, peer = '10.0.0.9', clientId = `${username}-1`) =>
    access.authenticate({ clientId, username, password: Buffer.from(password), peer });
  return { access, clock, enter, dataDir, config };
}

describe('authentication', () => {
  it('lets devices in with their secret only', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('press-1', 'device', clock.now());
    expect(await enter('press-1', secret)).toEqual({
      name: 'press-1',
      anonymous: false,
      clientId: 'press-1-1',
    });
    expect(await enter('press-1', `${secret}x`)).toBeNull();
    expect(await enter('press-2', secret)).toBeNull();
    expect(await access.authenticate({ clientId: 'a', username: 'press-1', peer: '10.0.0.9' })).toBeNull();
    expect(access.stats()).toEqual({ accepted: 1, refused: 2, throttled: 0 });
  });

  it('lets the anonymous in from loopback when configured, from nowhere else', async () => {
    const open = setUp({ anonymous: true }).access;
    const closed = setUp().access;
    for (const [peer, expected] of [
      ['127.0.0.1', true],
      ['::1', true],
      ['::ffff:127.0.0.1', true],
      ['10.0.0.9', false],
      ['::ffff:10.0.0.9', false],
      ['', false],
    ] as const) {
      expect((await open.authenticate({ clientId: 'a', peer })) !== null, peer).toBe(expected);
      expect(await closed.authenticate({ clientId: 'a', peer })).toBeNull();
    }
  });

  it('slows down guessing of chosen passwords, and locks out no device with a random secret', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('press-1', 'device', clock.now());
    access.identities.addDevices([
      { name: 'old', role: 'device', secret: await sealPassword('correct horse'), createdAt: 0 },
    ]);
    for (let i = 0; i < 6; i++) expect(await enter('old', 'wrong guess')).toBeNull();
    expect(await enter('old', 'correct horse')).toBeNull();
    expect(access.stats().throttled).toBe(1);
    expect(await enter('old', 'correct horse', '10.0.0.10')).not.toBeNull();
    expect(await enter('press-1', secret)).not.toBeNull();
    clock.advance(60_000);
    expect(await enter('old', 'correct horse')).not.toBeNull();
  });

  it('keeps a client id that is a device’s name for that device', async () => {
    const { access, enter, clock } = setUp();
    const one = access.identities.addDevice('press-1', 'device', clock.now());
    const two = access.identities.addDevice('press-2', 'device', clock.now());
    expect(await enter('press-1', one, '10.0.0.1', 'press-1')).not.toBeNull();
    expect(await enter('press-2', two, '10.0.0.2', 'press-1')).toBeNull();
  });
});

describe('rules', () => {
  it('a device publishes its own readings and requests, nothing else', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('press-1', 'device', clock.now());
    const device = (await enter('press-1', secret))!;
    const may = (topic: string): boolean => access.mayPublish(device, topic);
    const allowed = [
      'plant/press-1/temperature',
      'plant/press-1/t',
      'aimx/s/temperature/press-1',
      's/temperature/press-1',
      'hall/noise',
      'munich/press-1/log/a/b',
      'aimx/infer/streaming-anomaly',
    ];
    const denied = [
      'plant/press-2/temperature',
      'plant/press-2/t',
      'aimx/s/temperature/press-2',
      's/temperature/press-2',
      'aimx/s/nothing/press-1',
      'plant/press-1/other',
      'aimx/result/x/press-1',
      'aimx/status',
      'aimx/alarm/x',
      'aimx/reply/press-1-1',
      'aimx/infer',
      'aimx',
      '$SYS/x',
      '$share/g/plant/press-1/temperature',
      'plant/+/temperature',
      'plant/press-1/#',
      '',
      'a/b',
    ];
    for (const topic of allowed) expect(may(topic), topic).toBe(true);
    for (const topic of denied) expect(may(topic), topic).toBe(false);
    for (const topic of denied) expect(may(topic), `${topic} again`).toBe(false);
  });

  it('a device subscribes results, the status, its answers and its own topics', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('press-1', 'device', clock.now());
    const device = (await enter('press-1', secret))!;
    const may = (filter: string): boolean => access.maySubscribe(device, filter);
    const allowed = [
      'aimx/result/#',
      'aimx/result/anomaly/press-2',
      'aimx/status',
      'aimx/reply/press-1-1',
      'plant/press-1/temperature',
      'aimx/s/temperature/press-1',
      '$share/workers/aimx/result/#',
      '+/press-1/log/#',
    ];
    const denied = [
      '#',
      '+/#',
      'plant/+/temperature',
      'plant/#',
      'plant/press-2/temperature',
      'aimx/#',
      'aimx/+',
      'aimx/reply/#',
      'aimx/reply/press-2-1',
      'aimx/infer/#',
      'aimx/alarm/#',
      'aimx/s/#',
      '+/+/log/#',
      '$SYS/#',
      '$share/g/#',
      '$share//aimx/status',
      '$share/g/',
      '$share/+/aimx/status',
      '',
    ];
    for (const filter of allowed) expect(may(filter), filter).toBe(true);
    for (const filter of denied) expect(may(filter), filter).toBe(false);
  });

  it('no device name opens what is the gateway’s own', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('reply', 'device', clock.now());
    const device = (await enter('reply', secret))!;
    expect(access.maySubscribe(device, '+/reply/log/#')).toBe(false);
    for (const name of [
      'aimx',
      'anonymous',
      'a/b',
      '+',
      '#',
      '$x',
      '',
      ' a',
      'a:b',
      'x\n',
      'x'.repeat(129),
    ]) {
      expect(() => access.identities.addDevice(name, 'device', 0), name).toThrow(/not allowed/);
    }
  });

  it('an integrator has the local bus, but not what is the gateway’s or the broker’s own', async () => {
    const { access, enter, clock } = setUp();
    const secret = access.identities.addDevice('node-red', 'integrator', clock.now());
    const integrator = (await enter('node-red', secret))!;
    for (const topic of ['plant/press-2/temperature', 'lamp/on', 'aimx/infer/m', 'aimx/s/temperature/x']) {
      expect(access.mayPublish(integrator, topic), topic).toBe(true);
    }
    for (const topic of ['aimx/result/x/y', 'aimx/status', '$SYS/x', '$share/g/x']) {
      expect(access.mayPublish(integrator, topic), topic).toBe(false);
    }
    expect(access.maySubscribe(integrator, '#')).toBe(true);
    expect(access.maySubscribe(integrator, '$SYS/#')).toBe(false);
    expect(access.maySubscribe(integrator, '$share/g/$SYS/#')).toBe(false);
  });
});

describe('revoking', () => {
  it('takes effect on connections that are open, from another process too', async () => {
    const { access, enter, clock, dataDir, config } = setUp();
    const secret = access.identities.addDevice('press-1', 'device', clock.now());
    const gone: string[] = [];
    access.onRevoked((names) => gone.push(...names));
    await access.start(new AbortController().signal);
    const device = (await enter('press-1', secret))!;
    expect(access.mayPublish(device, 'aimx/s/temperature/press-1')).toBe(true);
    const elsewhere = createAccess({ config, dataDir, clock, log: recordingLog() });
    elsewhere.identities.addDevice('press-2', 'device', clock.now());
    clock.advance(1000);
    expect(gone).toEqual([]);
    elsewhere.identities.revokeDevice('press-1');
    clock.advance(1000);
    expect(gone).toEqual(['press-1']);
    expect(access.mayPublish(device, 'aimx/s/temperature/press-1')).toBe(false);
    expect(access.maySubscribe(device, 'aimx/result/#')).toBe(false);
    expect(await enter('press-1', secret)).toBeNull();
    await access.stop();
  });
});

describe('people and tokens', () => {
  it('log in with a password, and carry a token', async () => {
    const { access, clock } = setUp();
    access.identities.addPerson('admin', 'admin', await sealPassword('correct horse'), clock.now());
    expect(await access.login('admin', 'wrong', '10.0.0.1')).toBeNull();
    expect(await access.login('nobody', 'wrong', '10.0.0.1')).toBeNull();
    const session = await access.login('admin', 'correct horse', '10.0.0.1');
    if (session === null || session === 'throttled') throw new Error('no session');
    expect(await access.bearer(session.token, '10.0.0.1')).toEqual({ name: 'admin', role: 'admin' });
    clock.advance(12 * 3_600_000);
    expect(await access.bearer(session.token, '10.0.0.1')).toBeNull();
    const token = access.identities.addToken('grafana', 'viewer', clock.now());
    expect(await access.bearer(token, '10.0.0.1')).toEqual({ name: 'grafana', role: 'viewer' });
    expect(await access.bearer(`${token}x`, '10.0.0.1')).toBeNull();
    expect(await access.bearer('', '10.0.0.1')).toBeNull();
  });

  it('the local token works on this machine only', async () => {
    const { access } = setUp();
    expect(await access.bearer(access.localToken, '127.0.0.1')).toEqual({ name: 'local', role: 'admin' });
    expect(await access.bearer(access.localToken, '192.0.2.1')).toBeNull();
  });

  it('the local token opens the doors for the command line of this machine', async () => {
    const { access, enter } = setUp();
    const local = await enter('aimx', access.localToken, '127.0.0.1');
    expect(access.mayPublish(local!, 'aimx/s/temperature/press-1')).toBe(true);
    expect(access.mayPublish(local!, 'aimx/status')).toBe(false);
    expect(await enter('aimx', access.localToken, '192.0.2.1')).toBeNull();
    expect(await enter('aimx', 'guess', '127.0.0.1')).toBeNull();
  });

  it('are throttled after failures', async () => {
    const { access, clock } = setUp();
    access.identities.addPerson('admin', 'admin', await sealPassword('correct horse'), clock.now());
    for (let i = 0; i < 6; i++) await access.login('admin', 'wrong', '10.0.0.1');
    expect(await access.login('admin', 'correct horse', '10.0.0.1')).toBe('throttled');
    clock.advance(60_000);
    expect(await access.login('admin', 'correct horse', '10.0.0.1')).not.toBe('throttled');
  });
});

import { expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { createHttpServer } from '../../gateway/http/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { manualClock } from '../support/clock.ts';
import { recordingIntake } from '../support/intake.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { someViews } from '../support/views.ts';

function setUp(anonymous = false) {
  const clock = manualClock();
  const log = recordingLog();
  const { config } = parseConfig(
    `auth: { anonymous: ${anonymous} }\nlimits: { maxPacketBytes: 1000 }\nstreams: [{ id: cam, decode: bytes }]\n`,
    '/x/gateway.yaml',
  );
  const access = createAccess({ config, dataDir: temporaryFolder(), clock, log });
  const intake = recordingIntake();
  const server = createHttpServer({
    config,
    views: someViews(),
    access,
    readings: { intake, access },
    clock,
    log,
  });
  onTestFinished(() => server.stop());
  const post = (
    url: string,
    headers: Record<string, string>,
    payload: Uint8Array = Buffer.from([1, 0, 255]),
  ) =>
    server.inject({
      method: 'POST',
      url,
      headers,
      payload: Buffer.from(payload),
      remoteAddress: '127.0.0.1',
    });
  const basic = (name: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
  });
  return { access, intake, post, basic };
}

it('a device sends its own readings with its secret, an admin those of any', async () => {
  const { access, intake, post, basic } = setUp();
  const secret = access.addDevice('gate-1', 'device');
  const own = basic('gate-1', secret);
  const sent = await post('/s/cam/gate-1', { ...own, 'content-type': 'image/jpeg' });
  expect([sent.statusCode, sent.body]).toEqual([204, '']);
  expect(intake.offered).toEqual([
    expect.objectContaining({
      door: 'http',
      address: 's/cam/gate-1',
      principal: expect.objectContaining({ name: 'gate-1' }),
    }),
  ]);
  expect([...intake.offered[0]!.payload]).toEqual([1, 0, 255]);
  expect(intake.offered[0]!.contentFormat).toBeUndefined();
  expect((await post('/s/cam/gate-2', own)).statusCode).toBe(403);
  const wrong = await post('/s/cam/gate-1', basic('gate-1', 'wrong'));
  expect([wrong.statusCode, wrong.headers['www-authenticate']]).toEqual([
    401,
    expect.stringContaining('Basic'),
  ]);
  expect((await post('/s/cam/gate-1', {})).statusCode).toBe(401);
  const admin = {
    authorization: `Bearer ${access.localToken}`,
    'content-type': 'application/json; charset=utf-8',
  };
  expect((await post('/s/cam/gate-2', admin)).statusCode).toBe(204);
  expect(intake.offered.at(-1)!.contentFormat).toBe(50);
  expect(intake.offered).toHaveLength(2);
});

it('anonymous access is for programs on this machine only', async () => {
  const { post } = setUp(true);
  const host = { host: '127.0.0.1:8080' };
  expect((await post('/s/cam/a', host)).statusCode).toBe(204);
  expect((await post('/s/cam/a', { ...host, origin: 'https://evil.example' })).statusCode).toBe(401);
  expect((await post('/s/cam/a', { host: 'evil.example' })).statusCode).toBe(401);
});

it('answers only once the journal has it, and says what must be sent again', async () => {
  const { access, intake, post } = setUp();
  const admin = { authorization: `Bearer ${access.localToken}` };
  intake.hold();
  const pending = post('/s/cam/a', admin);
  let answered = false;
  void pending.then(() => {
    answered = true;
  });
  while (intake.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  intake.release();
  expect((await pending).statusCode).toBe(204);
  intake.answer = () => ({
    kind: 'rejected',
    error: new GatewayError('DECODE_EMPTY', 'the payload is empty'),
  });
  const rejected = await post('/s/cam/a', admin);
  expect([rejected.statusCode, rejected.json().error.code]).toEqual([400, 'DECODE_EMPTY']);
  intake.answer = () => ({ kind: 'refused', error: new GatewayError('STORE_FULL', 'no room') });
  const refused = await post('/s/cam/a', admin);
  expect([refused.statusCode, refused.headers['retry-after'], refused.json().error.code]).toEqual([
    503,
    '1',
    'STORE_FULL',
  ]);
  intake.answer = () => ({ kind: 'unrouted' });
  expect((await post('/s/none/a', admin)).statusCode).toBe(404);
  expect((await post('/s/cam/a', admin, new Uint8Array(1001))).statusCode).toBe(413);
});

import { createSocket } from 'node:dgram';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../../adapters/coap/message.ts';
import type { RawOption } from '../../../adapters/coap/options.ts';
import { ACK, CON, Code, NON, RST } from '../../../adapters/coap/protocol.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import { manualClock } from '../../support/clock.ts';
import { until } from '../../support/until.ts';
import { openAccess, openClient, openDoor, openWire } from './harness.ts';

const path = (text: string): RawOption[] =>
  text.split('/').map((segment) => ({ number: 11, value: Buffer.from(segment) }));
const post = (
  id: number,
  address: string,
  body: string,
  more: Partial<{ type: 0 | 1; token: number }> = {},
) =>
  encodeMessage(
    more.type ?? CON,
    Code.POST,
    id,
    Buffer.from([more.token ?? id & 255]),
    [...path(address), { number: 12, value: Buffer.from([50]) }],
    Buffer.from(body),
  );

describe('readings', () => {
  test('POST and PUT reach the intake with address, format and principal, and get 2.04', async () => {
    const { port, intake } = await openDoor();
    const client = await openClient(port);
    const posted = await client.request({
      method: 'POST',
      path: 's/temperature/m1',
      payload: Buffer.from('{"value":1}'),
      contentFormat: 50,
    });
    const put = await client.request({
      method: 'PUT',
      path: '/plant/m2/temperature',
      payload: Buffer.from('2'),
    });
    expect([posted.code, put.code]).toEqual([Code.CHANGED, Code.CHANGED]);
    expect(intake.offered).toMatchObject([
      { door: 'coap', address: 's/temperature/m1', contentFormat: 50, principal: { name: 'anonymous' } },
      { door: 'coap', address: 'plant/m2/temperature' },
    ]);
    expect(intake.offered[1]).not.toHaveProperty('contentFormat');
  });

  test.each([
    ['unknown format', { contentFormat: 9999 }, 0x8f],
    ['unrouted path', { path: 'nowhere/at/all' }, 0x84],
    ['path with a slash inside a segment', { path: ['s', 'temperature/x'] }, 0x84],
    ['GET on a stream', { method: 'GET' as const }, 0x85],
    ['DELETE on a stream', { method: 'DELETE' as const }, 0x85],
    ['POST to a result', { path: 'r/p/d' }, 0x85],
    ['missing result', { method: 'GET' as const, path: 'r/p/d' }, 0x84],
    ['missing pipeline', { method: 'GET' as const, path: 'r/p' }, 0x84],
  ])('%s', async (_, request, code) => {
    const { port, intake } = await openDoor();
    const client = await openClient(port);
    const base = { method: 'POST' as const, path: 's/temperature/m1' };
    const body = 'method' in request ? {} : { payload: Buffer.from('1') };
    const response = await client.request({ ...base, ...body, ...request });
    expect(response.code).toBe(code);
    expect(response.payload.length).toBeGreaterThan(0);
    expect(intake.offered).toEqual([]);
  });

  test('an undecodable reading gets 4.00 with the reason, a refused one 5.03 with Max-Age', async () => {
    const { port, intake } = await openDoor();
    const client = await openClient(port);
    const send = () =>
      client.request({ method: 'POST', path: 's/temperature/m1', payload: Buffer.from('?') });
    intake.answer = () => ({ kind: 'rejected', error: new GatewayError('DECODE_SYNTAX', 'not JSON') });
    const rejected = await send();
    expect([rejected.code, rejected.payload.toString()]).toEqual([Code.BAD_REQUEST, 'not JSON']);
    intake.answer = () => ({ kind: 'refused', error: new GatewayError('STORE_FULL', 'full') });
    const refused = await send();
    expect([refused.code, refused.options.maxAge]).toEqual([Code.SERVICE_UNAVAILABLE, 1]);
  });

  test('more than the high water of unanswered bytes gets 5.03 and is not offered', async () => {
    const { port, intake, server } = await openDoor({ limits: { maxPacketBytes: 1 << 20 } });
    // Two clients, because one may have only four bodies under way.
    const clients = [await openClient(port, { window: 4 }), await openClient(port, { window: 4 })];
    intake.hold();
    const body = Buffer.alloc(1 << 20, 1);
    const send = (n: number) =>
      clients[n % 2]!.request({ method: 'POST', path: `s/temperature/m${n}`, payload: body });
    const held = Array.from({ length: 8 }, (_, n) => send(n));
    await until(() => intake.waiting === 8, 'eight bodies at the intake');
    const more = await openClient(port);
    const refused = await more.request({
      method: 'POST',
      path: 's/temperature/m',
      payload: Buffer.from('1'),
    });
    expect(refused.code).toBe(Code.SERVICE_UNAVAILABLE);
    intake.release();
    expect((await Promise.all(held)).map((r) => r.code)).toEqual(Array(8).fill(Code.CHANGED));
    expect(server.stats()).toMatchObject({ stored: 8, refused: 1 });
  });

  test('a non-confirmable request gets a non-confirmable response, or none when it wants none', async () => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    wire.send(post(1, 's/temperature/m1', '1', { type: NON }));
    expect(await wire.next()).toMatchObject({ type: NON, code: Code.CHANGED });
    const options = [...path('s/temperature/m1'), { number: 258, value: Buffer.from([2]) }];
    wire.send(encodeMessage(NON, Code.POST, 2, Buffer.from([2]), options, Buffer.from('1')));
    await until(() => intake.offered.length === 2, 'the second reading');
    await wire.settle();
    expect(wire.received).toEqual([]);
  });
});

describe('retransmissions', () => {
  test('a repeated message is stored once and gets the same reply', async () => {
    const { port, intake, server } = await openDoor();
    const wire = await openWire(port);
    const datagram = post(7, 's/temperature/m1', '1');
    wire.send(datagram);
    await wire.next();
    for (let i = 0; i < 3; i += 1) wire.send(datagram);
    for (let i = 0; i < 3; i += 1) await wire.next();
    expect(new Set(wire.raw.map((b) => b.toString('hex'))).size).toBe(1);
    expect(intake.offered).toHaveLength(1);
    expect(server.stats()).toMatchObject({ duplicates: 3 });
  });

  test('also while the first copy is still being committed', async () => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    intake.hold();
    const datagram = post(7, 's/temperature/m1', '1');
    wire.send(datagram);
    await until(() => intake.waiting === 1, 'the first copy');
    wire.send(datagram);
    wire.send(datagram);
    await wire.settle();
    expect(wire.received).toEqual([]);
    intake.release();
    expect(await wire.next()).toMatchObject({ type: ACK, code: Code.CHANGED, id: 7 });
    await wire.settle();
    expect(wire.received).toEqual([]);
    expect(intake.offered).toHaveLength(1);
  });

  test('an error reply is repeated as it was', async () => {
    const { port, intake } = await openDoor();
    intake.answer = () => ({ kind: 'rejected', error: new GatewayError('DECODE_SYNTAX', 'not JSON') });
    const wire = await openWire(port);
    const datagram = post(9, 's/temperature/m1', '?');
    wire.send(datagram);
    wire.send(datagram);
    await wire.next();
    await wire.next();
    expect(wire.raw[0]!.equals(wire.raw[1]!)).toBe(true);
    expect(intake.offered).toHaveLength(1);
  });

  test('a reused Message ID with another reading is heard, and so is the same one after the lifetime', async () => {
    const clock = manualClock();
    const { port, intake } = await openDoor({ clock });
    const wire = await openWire(port);
    for (const body of ['1', '2']) {
      wire.send(post(7, 's/temperature/m1', body));
      await wire.next();
    }
    expect(intake.offered).toHaveLength(2);
    clock.advance(246_999);
    wire.send(post(7, 's/temperature/m1', '2'));
    await wire.next();
    expect(intake.offered).toHaveLength(2);
    clock.advance(1);
    wire.send(post(7, 's/temperature/m1', '2'));
    await wire.next();
    expect(intake.offered).toHaveLength(3);
  });

  test('the same Message ID from another port is another message', async () => {
    const { port, intake } = await openDoor();
    for (const wire of [await openWire(port), await openWire(port)]) {
      wire.send(post(7, 's/temperature/m1', '1'));
      await wire.next();
    }
    expect(intake.offered).toHaveLength(2);
  });

  test('what is remembered stays within its bounds', async () => {
    const { port, server } = await openDoor({ limits: { maxDevices: 10 } });
    for (let peer = 0; peer < 15; peer += 1) {
      const wire = await openWire(port);
      for (let id = 0; id < 20; id += 1) wire.send(post(id, 's/temperature/m1', '1'));
      for (let id = 0; id < 20; id += 1) await wire.next();
    }
    expect(server.stats()).toMatchObject({ peers: 10, exchanges: 200, pending: 0 });
  });
});

describe('separate responses', () => {
  test('a slow commit is acknowledged empty first and answered later, until that is acknowledged', async () => {
    const clock = manualClock();
    const { port, intake, server } = await openDoor({ clock });
    const wire = await openWire(port);
    intake.hold();
    const datagram = post(5, 's/temperature/m1', '1', { token: 0x55 });
    wire.send(datagram);
    await until(() => intake.waiting === 1, 'the reading');
    clock.advance(2_000);
    expect(await wire.next()).toMatchObject({ type: ACK, code: 0, id: 5 });
    wire.send(datagram);
    expect(await wire.next()).toMatchObject({ type: ACK, code: 0, id: 5 });
    intake.release();
    const response = await wire.next();
    expect(response).toMatchObject({ type: CON, code: Code.CHANGED });
    expect(response.token.toString('hex')).toBe('55');
    clock.advance(3_100);
    expect(await wire.next()).toMatchObject({ type: CON, id: response.id });
    wire.send(Buffer.from([0x60, 0, response.id >> 8, response.id & 255]));
    await wire.settle();
    clock.advance(100_000);
    await wire.settle();
    expect(wire.received).toEqual([]);
    expect(server.stats()).toMatchObject({ separate: 1, retransmissions: 1, timeouts: 0 });
  });

  test('a client that never acknowledges is given up after four retransmissions', async () => {
    const clock = manualClock();
    const { port, intake, server } = await openDoor({ clock });
    const wire = await openWire(port);
    intake.hold();
    wire.send(post(5, 's/temperature/m1', '1'));
    await until(() => intake.waiting === 1, 'the reading');
    clock.advance(2_000);
    intake.release();
    clock.advance(200_000);
    await until(() => server.stats().timeouts === 1, 'the end');
    expect(server.stats()).toMatchObject({ retransmissions: 4, timeouts: 1 });
  });
});

describe('messages that are none', () => {
  test.each([
    ['a ping', '40 00 12 34'],
    ['a confirmable message with a format error', '40 01 12 34 ff'],
    ['a reserved code class', '40 20 12 34'],
    ['a response nobody asked for', '41 45 12 34 aa'],
  ])('%s is reset', async (_, hex) => {
    const { port } = await openDoor();
    const wire = await openWire(port);
    wire.send(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    expect(await wire.next()).toMatchObject({ type: RST, code: 0, id: 0x1234 });
  });

  test.each([
    ['another version', '80 01 12 34'],
    ['three bytes', '40 01 12'],
    ['nothing', ''],
    ['a non-confirmable format error', '50 01 12 34 ff'],
    ['an acknowledgement of nothing', '60 00 12 34'],
    ['an acknowledgement with a request code', '60 01 12 34'],
    ['a reset of nothing', '70 00 12 34'],
    ['a non-confirmable empty message', '50 00 12 34'],
  ])('%s is ignored', async (_, hex) => {
    const { port } = await openDoor();
    const wire = await openWire(port);
    wire.send(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('an unknown critical option gets 4.02, or a reset when the request is non-confirmable', async () => {
    const { port } = await openDoor();
    const wire = await openWire(port);
    wire.send(Buffer.from('40011234910a', 'hex'));
    expect(await wire.next()).toMatchObject({ type: ACK, code: Code.BAD_OPTION, id: 0x1234 });
    wire.send(Buffer.from('50011235910a', 'hex'));
    expect(await wire.next()).toMatchObject({ type: RST, id: 0x1235 });
  });

  test('a proxy request gets 5.05, an unknown method 4.05', async () => {
    const { port } = await openDoor();
    const wire = await openWire(port);
    const options = [{ number: 35, value: Buffer.from('coap://example.org/') }];
    wire.send(encodeMessage(CON, Code.GET, 1, Buffer.alloc(0), options, Buffer.alloc(0)));
    expect((await wire.next()).code).toBe(Code.PROXYING_NOT_SUPPORTED);
    wire.send(encodeMessage(CON, 7, 2, Buffer.alloc(0), path('r'), Buffer.alloc(0)));
    expect((await wire.next()).code).toBe(Code.METHOD_NOT_ALLOWED);
  });
});

describe('access', () => {
  test('nobody gets 4.01, a forbidden topic 4.03, and rules are asked for MQTT topics', async () => {
    const nobody = await openDoor({ access: { ...openAccess, authenticate: async () => null } });
    const asked: string[] = [];
    const some = await openDoor({
      access: {
        ...openAccess,
        mayPublish: (_, topic) => asked.push(topic) < 0,
        maySubscribe: (_, topic) => asked.push(topic) < 0,
      },
    });
    const first = await openClient(nobody.port);
    const second = await openClient(some.port);
    const reading = { method: 'POST' as const, path: 's/temperature/m1', payload: Buffer.from('1') };
    expect((await first.request(reading)).code).toBe(Code.UNAUTHORIZED);
    expect((await first.request({ method: 'GET', path: '.well-known/core' })).code).toBe(Code.UNAUTHORIZED);
    expect((await second.request(reading)).code).toBe(Code.FORBIDDEN);
    expect((await second.request({ method: 'GET', path: 'r/p/d' })).code).toBe(Code.FORBIDDEN);
    expect((await second.request({ ...reading, path: 'plant/x/temperature' })).code).toBe(Code.FORBIDDEN);
    expect(asked).toEqual(['aimx/s/temperature/m1', 'aimx/result/p/d', 'plant/x/temperature']);
  });

  test('an access control that fails lets nobody in', async () => {
    const { port, log } = await openDoor({
      access: { ...openAccess, authenticate: () => Promise.reject(new Error('file gone')) },
    });
    const client = await openClient(port);
    expect((await client.request({ method: 'GET', path: 'r' })).code).toBe(Code.UNAUTHORIZED);
    expect(log.lines.some((line) => line.level === 'warn')).toBe(true);
  });
});

describe('listening', () => {
  test('IPv6 as the host says', async ({ skip }) => {
    const door = await openDoor({ host: '::1' }).catch((error: GatewayError) => error);
    if (door instanceof Error) return skip('no IPv6 on this machine');
    const client = await openClient(door.port, { host: '::1' });
    const sent = await client.request({
      method: 'POST',
      path: 's/temperature/m1',
      payload: Buffer.from('1'),
    });
    expect(sent.code).toBe(Code.CHANGED);
    expect(door.server.addresses).toEqual([`coap://[::1]:${door.port}`]);
  });

  test('a port in use is a coded error', async () => {
    const { port } = await openDoor();
    await expect(openDoor({ port })).rejects.toMatchObject({ code: 'COAP_LISTEN' });
  });

  test('a stopped door closes its port', async () => {
    const { port, server } = await openDoor();
    await server.stop();
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  });
});

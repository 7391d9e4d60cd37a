import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../../adapters/coap/message.ts';
import type { RawOption } from '../../../adapters/coap/options.ts';
import { CON, Code } from '../../../adapters/coap/protocol.ts';
import { manualClock } from '../../support/clock.ts';
import { config, openClient, openDoor, openWire } from './harness.ts';

const uint = (n: number) =>
  n === 0 ? Buffer.alloc(0) : n < 256 ? Buffer.from([n]) : Buffer.from([n >> 8, n & 255]);
const PATH: RawOption[] = ['s', 'temperature', 'm1'].map((s) => ({ number: 11, value: Buffer.from(s) }));

let messageId = 1;
function block1(
  num: number,
  more: boolean,
  szx: number,
  payload: Uint8Array,
  extra: { token?: number; tag?: string; size1?: number; code?: number; path?: RawOption[] } = {},
): Buffer {
  const options = [
    ...(extra.path ?? PATH),
    { number: 27, value: uint(num * 16 + (more ? 8 : 0) + szx) },
    ...(extra.size1 === undefined ? [] : [{ number: 60, value: uint(extra.size1) }]),
    ...(extra.tag === undefined ? [] : [{ number: 292, value: Buffer.from(extra.tag) }]),
  ];
  messageId += 1;
  return encodeMessage(
    CON,
    extra.code ?? Code.POST,
    messageId,
    Buffer.from([extra.token ?? 1]),
    options,
    payload,
  );
}

describe('Block1', () => {
  test.each([16, 64, 256, 1024])('bodies in blocks of %i bytes arrive whole', async (blockSize) => {
    const { port, intake, server } = await openDoor();
    const client = await openClient(port, { blockSize });
    for (const size of [blockSize - 1, blockSize, blockSize + 1, 3 * blockSize, 3 * blockSize + 5]) {
      const payload = randomBytes(size);
      const response = await client.request({ method: 'POST', path: 's/temperature/m1', payload });
      expect(response.code).toBe(Code.CHANGED);
      expect(Buffer.from(intake.offered.at(-1)!.payload).equals(payload)).toBe(true);
    }
    expect(intake.offered).toHaveLength(5);
    expect(server.stats()).toMatchObject({ transfers: 0, transferBytes: 0, transfersCompleted: 3 });
  });

  test('a transfer does not depend on the token, and two with different Request-Tags do not mix', async () => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    const [a, b] = [Buffer.alloc(16, 'a'), Buffer.alloc(16, 'b')];
    const exchange = async (datagram: Buffer) => {
      wire.send(datagram);
      return (await wire.next()).code;
    };
    expect(await exchange(block1(0, true, 0, a, { token: 1, tag: 'A' }))).toBe(Code.CONTINUE);
    expect(await exchange(block1(0, true, 0, b, { token: 2, tag: 'B' }))).toBe(Code.CONTINUE);
    expect(await exchange(block1(1, false, 0, a, { token: 3, tag: 'A' }))).toBe(Code.CHANGED);
    expect(await exchange(block1(1, false, 0, b, { token: 4, tag: 'B' }))).toBe(Code.CHANGED);
    const bodies = intake.offered.map((m) => Buffer.from(m.payload).toString());
    expect(bodies).toEqual(['a'.repeat(32), 'b'.repeat(32)]);
  });

  test('the answer to a block names the block', async () => {
    const { port } = await openDoor();
    const wire = await openWire(port);
    wire.send(block1(0, true, 2, Buffer.alloc(64)));
    expect((await wire.next()).options.block1).toEqual({ num: 0, more: true, szx: 2 });
    wire.send(block1(1, false, 2, Buffer.alloc(10)));
    expect((await wire.next()).options.block1).toEqual({ num: 1, more: false, szx: 2 });
  });

  test('the size may shrink on the way, and a repeated block is taken once', async () => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    wire.send(block1(0, true, 2, Buffer.alloc(64, 1)));
    await wire.next();
    wire.send(block1(4, true, 0, Buffer.alloc(16, 2)));
    expect((await wire.next()).code).toBe(Code.CONTINUE);
    wire.send(block1(4, true, 0, Buffer.alloc(16, 2)));
    expect((await wire.next()).code).toBe(Code.CONTINUE);
    wire.send(block1(5, false, 0, Buffer.alloc(3, 3)));
    expect((await wire.next()).code).toBe(Code.CHANGED);
    expect(intake.offered.at(-1)!.payload).toHaveLength(83);
  });

  test.each([
    ['a gap', () => [block1(0, true, 0, Buffer.alloc(16)), block1(2, false, 0, Buffer.alloc(4))], 0x88],
    ['no beginning', () => [block1(3, false, 0, Buffer.alloc(4))], 0x88],
    ['a short block before the last', () => [block1(0, true, 0, Buffer.alloc(15))], 0x80],
    ['a block larger than its size', () => [block1(0, false, 0, Buffer.alloc(17))], 0x80],
    ['the reserved size', () => [block1(0, false, 7, Buffer.alloc(17))], 0x80],
  ])('%s is refused and nothing is stored', async (_, datagrams, code) => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    let last = 0;
    for (const datagram of datagrams()) {
      wire.send(datagram);
      last = (await wire.next()).code;
    }
    expect(last).toBe(code);
    expect(intake.offered).toEqual([]);
  });

  test('too large a body gets 4.13 with the largest in Size1, at the first block when it is announced', async () => {
    const { port, intake } = await openDoor();
    const wire = await openWire(port);
    wire.send(block1(0, true, 6, Buffer.alloc(1024), { size1: config.limits.maxPacketBytes + 1 }));
    const early = await wire.next();
    expect([early.code, early.options.size1]).toEqual([
      Code.REQUEST_ENTITY_TOO_LARGE,
      config.limits.maxPacketBytes,
    ]);
    const client = await openClient(port);
    const payload = Buffer.alloc(config.limits.maxPacketBytes + 1);
    const late = await client.request({ method: 'POST', path: 's/temperature/m1', payload });
    expect(late.code).toBe(Code.REQUEST_ENTITY_TOO_LARGE);
    expect(intake.offered).toEqual([]);
  });

  test('a wrong path or format is refused at the first block', async () => {
    const { port, server } = await openDoor();
    const client = await openClient(port, { blockSize: 16 });
    const payload = Buffer.alloc(100);
    const nowhere = await client.request({ method: 'POST', path: 'no/where', payload });
    const format = await client.request({
      method: 'POST',
      path: 's/temperature/m1',
      payload,
      contentFormat: 7,
    });
    expect([nowhere.code, format.code]).toEqual([Code.NOT_FOUND, Code.UNSUPPORTED_CONTENT_FORMAT]);
    expect(server.stats()).toMatchObject({ requests: 2, transfers: 0 });
  });

  test('unfinished transfers are few per client and forgotten in time', async () => {
    const clock = manualClock();
    const { port, server } = await openDoor({ clock });
    const wire = await openWire(port);
    for (let i = 0; i < 20; i += 1) {
      wire.send(block1(0, true, 6, Buffer.alloc(1024), { tag: `t${i}` }));
      await wire.next();
    }
    expect(server.stats()).toMatchObject({ transfers: 4, transferBytes: 4096, transfersDropped: 16 });
    clock.advance(121_000);
    wire.send(block1(0, true, 6, Buffer.alloc(1024), { tag: 'new' }));
    await wire.next();
    expect(server.stats()).toMatchObject({ transfers: 1, transferBytes: 1024 });
  });

  test('all clients together hold a bounded amount', async () => {
    const { port, server } = await openDoor();
    for (let peer = 0; peer < 30; peer += 1) {
      const wire = await openWire(port);
      for (let i = 0; i < 4; i += 1) {
        for (let num = 0; num < 7; num += 1) {
          wire.send(block1(num, true, 6, Buffer.alloc(1024), { tag: `${i}` }));
          await wire.next();
        }
      }
    }
    expect(server.stats().transferBytes).toBeLessThanOrEqual(16 << 20);
    expect(server.stats().transfers).toBe(120);
  });
});

describe('Block2', () => {
  const large = JSON.stringify({ id: 'x', pad: 'abcdefghij'.repeat(400) });

  test.each([16, 64, 1024])('a large result is fetched in blocks of %i bytes', async (size) => {
    const { port, results } = await openDoor();
    results.publish('p', 'd', large);
    const wire = await openWire(port);
    const path = ['r', 'p', 'd'].map((s) => ({ number: 11, value: Buffer.from(s) }));
    const szx = Math.log2(size) - 4;
    let body = '';
    for (let num = 0, more = true; more; num += 1) {
      messageId += 1;
      const options = [...path, { number: 23, value: uint(num * 16 + szx) }];
      wire.send(encodeMessage(CON, Code.GET, messageId, Buffer.from([1]), options, Buffer.alloc(0)));
      const part = await wire.next();
      expect(part.code).toBe(Code.CONTENT);
      expect(part.options.block2).toMatchObject({ num, szx });
      expect(part.options.etags).toHaveLength(1);
      if (num === 0) expect(part.options.size2).toBe(large.length);
      body += part.payload.toString();
      more = part.options.block2!.more;
    }
    expect(body).toBe(large);
  });

  test('without being asked, a large result comes in blocks of 1024 and is put together', async () => {
    const { port, results } = await openDoor();
    results.publish('p', 'd', large);
    const client = await openClient(port);
    const response = await client.request({ method: 'GET', path: 'r/p/d' });
    expect(response.payload.toString()).toBe(large);
    expect(response.options.contentFormat).toBe(50);
  });

  test('blocks of one fetch belong together although the state moves on', async () => {
    const { port, results } = await openDoor();
    results.publish('p', 'd', 'a'.repeat(2500));
    const wire = await openWire(port);
    const path = ['r', 'p', 'd'].map((s) => ({ number: 11, value: Buffer.from(s) }));
    const get = async (num: number) => {
      messageId += 1;
      const options = num === 0 ? path : [...path, { number: 23, value: uint(num * 16 + 6) }];
      wire.send(encodeMessage(CON, Code.GET, messageId, Buffer.from([1]), options, Buffer.alloc(0)));
      return wire.next();
    };
    const first = await get(0);
    results.publish('p', 'd', 'b'.repeat(2500));
    const rest = [await get(1), await get(2)];
    const body = [first, ...rest].map((m) => m.payload.toString()).join('');
    expect(body).toBe('a'.repeat(2500));
    expect(new Set([first, ...rest].map((m) => m.options.etags[0]!.toString('hex'))).size).toBe(1);
    expect((await get(0)).payload.toString()).toBe('b'.repeat(1024));
  });

  test('a block past the end and the reserved size get 4.00', async () => {
    const { port, results } = await openDoor();
    results.publish('p', 'd', '{}');
    const wire = await openWire(port);
    const path = ['r', 'p', 'd'].map((s) => ({ number: 11, value: Buffer.from(s) }));
    for (const value of [uint(16 * 9 + 6), uint(7)]) {
      messageId += 1;
      wire.send(
        encodeMessage(
          CON,
          Code.GET,
          messageId,
          Buffer.from([1]),
          [...path, { number: 23, value }],
          Buffer.alloc(0),
        ),
      );
      expect((await wire.next()).code).toBe(Code.BAD_REQUEST);
    }
  });

  test('a known ETag gets 2.03 without the body', async () => {
    const { port, results } = await openDoor();
    results.publish('p', 'd', '{"n":1}');
    const client = await openClient(port);
    const first = await client.request({ method: 'GET', path: 'r/p/d' });
    const etag = first.options.etags[0]!;
    const second = await client.request({ method: 'GET', path: 'r/p/d', etag });
    expect([second.code, second.payload.length]).toEqual([Code.VALID, 0]);
    results.publish('p', 'd', '{"n":2}');
    const third = await client.request({ method: 'GET', path: 'r/p/d', etag });
    expect([third.code, third.payload.toString()]).toEqual([Code.CONTENT, '{"n":2}']);
  });
});

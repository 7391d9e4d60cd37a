import { describe, expect, test } from 'vitest';
import { encodeMessage, type Message } from '../../../adapters/coap/message.ts';
import type { RawOption } from '../../../adapters/coap/options.ts';
import { ACK, CON, Code, NON, RST } from '../../../adapters/coap/protocol.ts';
import { manualClock } from '../../support/clock.ts';
import { until } from '../../support/until.ts';
import { openWire } from './harness.ts';
import { LARGE, openPlugtestServer } from './plugtest-server.ts';

/*
 * What the ETSI/IETF CoAP plugtests (CORE, LINK, BLOCK, OBS) ask of a server: each test sends a stimulus on the wire and
 * checks the messages that come back. The numbers follow the test descriptions and are only a guide to them.
 */

const NONE = Buffer.alloc(0);
const METHOD = { GET: Code.GET, POST: Code.POST, PUT: Code.PUT, DELETE: Code.DELETE };

interface Asked {
  readonly type?: 0 | 1;
  readonly token?: Buffer;
  readonly options?: readonly RawOption[];
  readonly query?: readonly string[];
  readonly payload?: string | Buffer;
}

async function lab(clock?: ReturnType<typeof manualClock>) {
  const server = await openPlugtestServer(clock);
  const wire = await openWire(server.port);
  let id = 0x1000;
  const send = (method: keyof typeof METHOD, path: string, asked: Asked = {}) => {
    id += 1;
    const options = [
      ...path.split('/').map((s) => ({ number: 11, value: Buffer.from(s) })),
      ...(asked.query ?? []).map((q) => ({ number: 15, value: Buffer.from(q) })),
      ...(asked.options ?? []),
    ].toSorted((a, b) => a.number - b.number);
    const token = asked.token ?? Buffer.from([id & 255]);
    const datagram = encodeMessage(
      asked.type ?? CON,
      METHOD[method],
      id,
      token,
      options,
      Buffer.from(asked.payload ?? NONE),
    );
    wire.send(datagram);
    return { id, token, datagram };
  };
  const ask = async (method: keyof typeof METHOD, path: string, asked: Asked = {}) => {
    const sent = send(method, path, asked);
    const answer = await wire.next();
    expect(answer.token.equals(sent.token)).toBe(true);
    if ((asked.type ?? CON) === CON) expect([answer.type, answer.id]).toEqual([ACK, sent.id]);
    else expect(answer.type).toBe(NON);
    return answer;
  };
  const acknowledge = (message: Message, type = ACK) =>
    wire.send(Buffer.from([0x40 | (type << 4), 0, message.id >> 8, message.id & 255]));
  return { ...server, wire, send, ask, acknowledge };
}

const uint = (n: number) => (n === 0 ? NONE : n < 256 ? Buffer.from([n]) : Buffer.from([n >> 8, n & 255]));
const block = (number: 23 | 27, num: number, more: boolean, size: number): RawOption => ({
  number,
  value: uint(num * 16 + (more ? 8 : 0) + Math.log2(size) - 4),
});
const text = (message: Message) => message.payload.toString();

describe('CORE', () => {
  test.each([
    ['01 to 04, confirmable', CON],
    ['05 to 08, non-confirmable', NON],
  ] as const)('%s: GET, DELETE, PUT, POST', async (_, type) => {
    const { ask } = await lab();
    const got = await ask('GET', 'test', { type });
    expect([got.code, got.options.contentFormat, text(got)]).toEqual([Code.CONTENT, 0, 'test']);
    expect((await ask('PUT', 'test', { type, payload: 'new' })).code).toBe(Code.CHANGED);
    expect(text(await ask('GET', 'test', { type }))).toBe('new');
    expect((await ask('POST', 'test', { type, payload: 'x' })).code).toBe(Code.CREATED);
    expect((await ask('DELETE', 'test', { type })).code).toBe(Code.DELETED);
    expect((await ask('GET', 'test', { type })).code).toBe(Code.NOT_FOUND);
    expect((await ask('PUT', 'test', { type, payload: 'again' })).code).toBe(Code.CREATED);
  });

  test.each([
    ['09 separate response', Buffer.from([1, 2])],
    ['11 with the longest token', Buffer.alloc(8, 0xab)],
    ['12 without a token', NONE],
  ])('%s', async (_, token) => {
    const clock = manualClock();
    const { send, wire, held, acknowledge } = await lab(clock);
    const sent = send('GET', 'separate', { token });
    await until(() => held.length === 1, 'the request');
    clock.advance(2_000);
    expect(await wire.next()).toMatchObject({ type: ACK, code: 0, id: sent.id });
    held.shift()!();
    const late = await wire.next();
    expect([late.type, late.code, text(late), late.token.equals(token)]).toEqual([
      CON,
      Code.CONTENT,
      'late',
      true,
    ]);
    acknowledge(late);
    await wire.settle();
    clock.advance(60_000);
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test.each([
    ['10 with a token', Buffer.from([9, 9, 9])],
    ['12 without a token', NONE],
  ])('%s', async (_, token) => {
    const { ask } = await lab();
    expect((await ask('GET', 'test', { token })).code).toBe(Code.CONTENT);
  });

  test('13 several Uri-Path options, 14 several Uri-Query options', async () => {
    const { ask } = await lab();
    expect(text(await ask('GET', 'seg1/seg2/seg3'))).toBe('deep');
    expect(text(await ask('GET', 'query', { query: ['first=1', 'second=2', 'third=3'] }))).toBe(
      'first=1&second=2&third=3',
    );
  });

  test('15 lossy, piggybacked: a retransmitted request gets the same answer and acts once', async () => {
    const { send, wire, states } = await lab();
    const { datagram } = send('POST', 'test', { payload: 'once' });
    const first = await wire.next();
    wire.send(datagram);
    const second = await wire.next();
    expect(wire.raw[0]!.equals(wire.raw[1]!)).toBe(true);
    expect([first.code, second.code]).toEqual([Code.CREATED, Code.CREATED]);
    expect([...states.keys()].filter((key) => key.startsWith('test/'))).toHaveLength(1);
  });

  test('16 lossy, separate: the response is retransmitted until it is acknowledged', async () => {
    const clock = manualClock();
    const { send, wire, held, acknowledge } = await lab(clock);
    const { datagram } = send('GET', 'separate');
    await until(() => held.length === 1, 'the request');
    clock.advance(2_000);
    await wire.next();
    wire.send(datagram);
    expect(await wire.next()).toMatchObject({ type: ACK, code: 0 });
    held.shift()!();
    const ids = [(await wire.next()).id];
    for (const wait of [3_100, 6_200]) {
      clock.advance(wait);
      ids.push((await wire.next()).id);
    }
    expect(new Set(ids).size).toBe(1);
    acknowledge({ id: ids[0] } as Message);
    await wire.settle();
    clock.advance(100_000);
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('17 a separate response to a non-confirmable request is non-confirmable', async () => {
    const clock = manualClock();
    const { send, wire, held } = await lab(clock);
    send('GET', 'separate', { type: NON });
    await until(() => held.length === 1, 'the request');
    clock.advance(5_000);
    held.shift()!();
    expect(await wire.next()).toMatchObject({ type: NON, code: Code.CONTENT });
  });

  test('18 Location-Path, 19 Location-Query', async () => {
    const { ask } = await lab();
    const path = await ask('POST', 'location-path', { payload: 'x' });
    expect([path.code, path.options.locationPath]).toEqual([Code.CREATED, ['location-path', '1']]);
    const query = await ask('POST', 'location-query', { payload: 'x' });
    const raw = query.options.raw.filter((o) => o.number === 20).map((o) => o.value.toString());
    expect(raw).toEqual(['first=1', 'second=2']);
  });

  test('20 Accept', async () => {
    const { ask } = await lab();
    for (const [accept, format] of [
      [0, 0],
      [41, 41],
    ] as const) {
      const got = await ask('GET', 'multi-format', { options: [{ number: 17, value: uint(accept) }] });
      expect([got.code, got.options.contentFormat]).toEqual([Code.CONTENT, format]);
    }
    const other = await ask('GET', 'multi-format', { options: [{ number: 17, value: uint(50) }] });
    expect(other.code).toBe(Code.NOT_ACCEPTABLE);
  });

  test('21 ETag', async () => {
    const { ask, set } = await lab();
    const first = await ask('GET', 'validate');
    const etag = { number: 4, value: first.options.etags[0]! };
    const valid = await ask('GET', 'validate', { options: [etag] });
    expect([valid.code, valid.payload.length, valid.options.etags[0]]).toEqual([Code.VALID, 0, etag.value]);
    set('validate', 'version 2');
    const changed = await ask('GET', 'validate', { options: [etag] });
    expect([changed.code, text(changed)]).toEqual([Code.CONTENT, 'version 2']);
  });

  test('22 If-Match, 23 If-None-Match', async () => {
    const { ask, set } = await lab();
    const etag = (await ask('GET', 'validate')).options.etags[0]!;
    const put = (options: RawOption[]) => ask('PUT', 'validate', { payload: 'mine', options });
    expect((await put([{ number: 1, value: etag }])).code).toBe(Code.CHANGED);
    set('validate', 'theirs');
    expect((await put([{ number: 1, value: etag }])).code).toBe(Code.PRECONDITION_FAILED);
    const create = () => ask('PUT', 'create', { payload: 'x', options: [{ number: 5, value: NONE }] });
    expect((await create()).code).toBe(Code.CREATED);
    expect((await create()).code).toBe(Code.PRECONDITION_FAILED);
  });

  test('unknown critical options, unknown methods, pings', async () => {
    const { ask, wire } = await lab();
    expect((await ask('GET', 'test', { options: [{ number: 2001, value: NONE }] })).code).toBe(
      Code.BAD_OPTION,
    );
    expect((await ask('GET', 'test', { options: [{ number: 2000, value: NONE }] })).code).toBe(Code.CONTENT);
    wire.send(Buffer.from('40000001', 'hex'));
    expect(await wire.next()).toMatchObject({ type: RST, id: 1 });
  });
});

describe('LINK', () => {
  const hrefs = async (...query: string[]) => {
    const { ask } = await lab();
    const got = await ask('GET', '.well-known/core', { query });
    expect([got.code, got.options.contentFormat]).toEqual([Code.CONTENT, 40]);
    return [...text(got).matchAll(/<([^>]*)>/g)].map((match) => match[1]);
  };

  test.each([
    ['01 all links', [], 5],
    ['02 rt=Type1', ['rt=Type1'], 2],
    ['03 rt=*', ['rt=*'], 3],
    ['04 rt=Type2, one of several', ['rt=Type2'], 2],
    ['05 if=If*', ['if=If*'], 2],
    ['06 sz=*', ['sz=*'], 1],
    ['07 href=/test', ['href=/test'], 1],
    ['08 href=/path*', ['href=/path*'], 2],
    ['09 ct=40', ['ct=40'], 1],
    ['nothing matches', ['rt=Type9'], 0],
  ])('%s', async (_, query, count) => expect(await hrefs(...query)).toHaveLength(count));
});

describe('BLOCK', () => {
  async function fetch(
    ask: Awaited<ReturnType<typeof lab>>['ask'],
    path: string,
    early?: number,
    late?: number,
  ) {
    let body = '';
    for (let num = 0, size = early; ; num += 1) {
      const options = num === 0 && early === undefined ? [] : [block(23, num, false, size!)];
      const part = await ask('GET', path, { options });
      expect(part.code).toBe(Code.CONTENT);
      body += text(part);
      const got = part.options.block2!;
      size = 1 << (got.szx + 4);
      if (!got.more) return body;
      if (num === 0 && late !== undefined) {
        num = size / late - 1;
        size = late;
      }
    }
  }

  test.each([
    ['01 early negotiation', 64, undefined],
    ['02 late negotiation', undefined, 64],
    ['no negotiation', undefined, undefined],
    ['06 the smallest blocks', 16, undefined],
  ])('%s', async (_, early, late) => {
    const { ask } = await lab();
    expect(await fetch(ask, 'large', early, late)).toBe(LARGE);
  });

  test.each(['PUT', 'POST'] as const)('03 and 04: %s of a large body', async (method) => {
    const { ask, states } = await lab();
    const path = method === 'PUT' ? 'large-update' : 'large-create';
    for (let at = 0; at < LARGE.length; at += 128) {
      const more = at + 128 < LARGE.length;
      const options = [block(27, at / 128, more, 128)];
      const answer = await ask(method, path, { options, payload: LARGE.slice(at, at + 128) });
      expect(answer.options.block1).toMatchObject({ num: at / 128, szx: 3 });
      const last = method === 'PUT' ? Code.CHANGED : Code.CREATED;
      expect(answer.code).toBe(more ? Code.CONTINUE : last);
    }
    const stored = states.get(method === 'PUT' ? path : `${path}/1`)!;
    expect(stored.content.toString()).toBe(LARGE);
  });

  test('05 POST of a large body with a large response', async () => {
    const { ask } = await lab();
    const size = 256;
    let answer: Message | undefined;
    for (let at = 0; at < LARGE.length; at += size) {
      const options = [block(27, at / size, at + size < LARGE.length, size), block(23, 0, false, size)];
      answer = await ask('POST', 'large-post', {
        options: options.toReversed(),
        payload: LARGE.slice(at, at + size),
      });
    }
    expect(answer!.code).toBe(Code.CHANGED);
    expect(answer!.options.block1).toMatchObject({ more: false });
    let body = text(answer!);
    for (let num = 1; answer!.options.block2!.more; num += 1) {
      answer = await ask('POST', 'large-post', { options: [block(23, num, false, size)] });
      expect(answer.options.block2!.num).toBe(num);
      body += text(answer);
    }
    expect(body).toBe(LARGE);
  });
});

describe('OBS', () => {
  const OBSERVE: RawOption = { number: 6, value: NONE };
  const STOP: RawOption = { number: 6, value: Buffer.from([1]) };

  async function observing(type: 0 | 1 = CON, clock?: ReturnType<typeof manualClock>) {
    const all = await lab(clock);
    const token = Buffer.from([0x42]);
    const first = await all.ask('GET', 'obs', { type, token, options: [OBSERVE] });
    expect([first.code, first.options.observe === undefined]).toEqual([Code.CONTENT, false]);
    return { ...all, token, first };
  }

  test.each([
    ['01 with confirmable messages', CON],
    ['02 with non-confirmable messages', NON],
  ] as const)('%s', async (_, type) => {
    const { set, wire, acknowledge, first, token } = await observing(type);
    let before = first.options.observe!;
    for (let n = 1; n <= 3; n += 1) {
      set('obs', String(n));
      const note = await wire.next();
      expect([note.type, note.code, text(note), note.token.equals(token)]).toEqual([
        type,
        Code.CONTENT,
        String(n),
        true,
      ]);
      expect(note.options.observe).toBeGreaterThan(before);
      expect(note.options.contentFormat).toBe(0);
      before = note.options.observe!;
      if (type === CON) acknowledge(note);
    }
  });

  test('03 the client is told again before its copy is stale', async () => {
    const clock = manualClock();
    const { wire } = await observing(CON, clock);
    clock.advance(60_000);
    expect(text(await wire.next())).toBe('0');
  });

  test('05 and 06: the server forgets a client that is gone', async () => {
    const clock = manualClock();
    const { set, wire, server } = await observing(CON, clock);
    set('obs', '1');
    await wire.next();
    clock.advance(200_000);
    await until(() => server.observers.size === 0, 'the observer to be forgotten');
  });

  test.each([
    ['07 by Observe 1', CON],
    ['08 by Observe 1, non-confirmable', NON],
  ] as const)('%s', async (_, type) => {
    const { ask, token, server, set, wire } = await observing(type);
    const answer = await ask('GET', 'obs', { type, token, options: [STOP] });
    expect([answer.code, answer.options.observe]).toEqual([Code.CONTENT, undefined]);
    expect(server.observers.size).toBe(0);
    set('obs', 'x');
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('09 and 10: a change of the resource by another client is notified; so is one of its format', async () => {
    const { wire, acknowledge, set, port } = await observing();
    const other = await openWire(port);
    const path = { number: 11, value: Buffer.from('obs') };
    other.send(encodeMessage(CON, Code.PUT, 1, NONE, [path], Buffer.from('put')));
    expect((await other.next()).code).toBe(Code.CHANGED);
    const note = await wire.next();
    expect(text(note)).toBe('put');
    acknowledge(note);
    set('obs', '{}', 50);
    expect((await wire.next()).options.contentFormat).toBe(50);
  });

  test('11 and 12: when the resource is deleted observers get 4.04 and are forgotten', async () => {
    const { remove, wire, acknowledge, server } = await observing();
    remove('obs');
    const note = await wire.next();
    expect([note.type, note.code, note.options.observe]).toEqual([CON, Code.NOT_FOUND, undefined]);
    acknowledge(note);
    await wire.settle();
    expect(server.observers.size).toBe(0);
  });

  test('13 a large resource is notified by its first block, the rest is fetched', async () => {
    const { set, wire, ask, acknowledge } = await observing();
    set('obs', LARGE);
    const note = await wire.next();
    expect(note.options.block2).toMatchObject({ num: 0, more: true });
    acknowledge(note);
    let body = text(note);
    for (let num = 1, more = true; more; num += 1) {
      const part = await ask('GET', 'obs', { options: [block(23, num, false, 1024)] });
      expect(part.options.etags[0]).toEqual(note.options.etags[0]);
      body += text(part);
      more = part.options.block2!.more;
    }
    expect(body).toBe(LARGE);
  });

  test('a reset ends it', async () => {
    const { set, wire, acknowledge, server } = await observing();
    set('obs', '1');
    acknowledge(await wire.next(), RST);
    await until(() => server.observers.size === 0, 'the end');
  });
});

import { describe, expect, test } from 'vitest';
import { encodeMessage, type Message } from '../../../adapters/coap/message.ts';
import { CON, Code, NON } from '../../../adapters/coap/protocol.ts';
import { manualClock } from '../../support/clock.ts';
import { until } from '../../support/until.ts';
import { openClient, openDoor, openWire } from './harness.ts';

const path = ['r', 'p', 'd'].map((s) => ({ number: 11, value: Buffer.from(s) }));
const get = (id: number, token: number, observe: 0 | 1, type: 0 | 1 = CON) =>
  encodeMessage(
    type,
    Code.GET,
    id,
    Buffer.from([token]),
    [{ number: 6, value: observe === 0 ? Buffer.alloc(0) : Buffer.from([1]) }, ...path],
    Buffer.alloc(0),
  );
const ack = (message: Message) => Buffer.from([0x60, 0, message.id >> 8, message.id & 255]);
const reset = (message: Message) => Buffer.from([0x70, 0, message.id >> 8, message.id & 255]);
const text = (message: Message) => message.payload.toString();

async function observed(options: Parameters<typeof openDoor>[0] = {}, type: 0 | 1 = CON) {
  const door = await openDoor(options);
  door.results.publish('p', 'd', '{"n":0}');
  const wire = await openWire(door.port);
  wire.send(get(1, 7, 0, type));
  const first = await wire.next();
  return { ...door, wire, first };
}

describe('observing a result', () => {
  test('the registration answers with the present state, then every change is notified, newer numbers each', async () => {
    const { results, wire, first, server } = await observed();
    expect(first).toMatchObject({ type: 2, code: Code.CONTENT });
    expect(text(first)).toBe('{"n":0}');
    expect([first.options.contentFormat, first.options.maxAge]).toEqual([50, 60]);
    let sequence = first.options.observe!;
    for (let n = 1; n <= 5; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      const notification = await wire.next();
      expect(notification).toMatchObject({ type: CON, code: Code.CONTENT });
      expect(notification.token.toString('hex')).toBe('07');
      expect(text(notification)).toBe(`{"n":${n}}`);
      expect(notification.options.observe).toBeGreaterThan(sequence);
      sequence = notification.options.observe!;
      wire.send(ack(notification));
      await wire.settle();
    }
    expect(server.stats()).toMatchObject({ observers: 1, notifications: 5 });
  });

  test('another device and another pipeline notify nobody', async () => {
    const { results, wire } = await observed();
    results.publish('p', 'other', '{}');
    results.publish('q', 'd', '{}');
    await new Promise((resolve) => setImmediate(resolve));
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('Observe 1 with the token ends it', async () => {
    const { results, wire, server } = await observed();
    wire.send(get(2, 7, 1));
    const answer = await wire.next();
    expect([answer.code, answer.options.observe]).toEqual([Code.CONTENT, undefined]);
    results.publish('p', 'd', '{"n":1}');
    await wire.settle();
    expect(wire.received).toEqual([]);
    expect(server.stats().observers).toBe(0);
  });

  test('a reset ends it', async () => {
    const { results, wire, server } = await observed();
    results.publish('p', 'd', '{"n":1}');
    wire.send(reset(await wire.next()));
    await until(() => server.stats().observers === 0, 'the end');
    results.publish('p', 'd', '{"n":2}');
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('there is one notification under way; the newest state follows, what lay between is never sent', async () => {
    const { results, wire } = await observed();
    for (let n = 1; n <= 50; n += 1) results.publish('p', 'd', `{"n":${n}}`);
    const first = await wire.next();
    for (let n = 51; n <= 100; n += 1) results.publish('p', 'd', `{"n":${n}}`);
    await wire.settle();
    expect(text(first)).toBe('{"n":50}');
    expect(wire.received).toEqual([]);
    wire.send(ack(first));
    expect(text(await wire.next())).toBe('{"n":100}');
  });

  test('a retransmission carries the newest state; an observer that never answers is forgotten', async () => {
    const clock = manualClock();
    const { results, wire, server } = await observed({ clock });
    results.publish('p', 'd', '{"n":1}');
    const first = await wire.next();
    results.publish('p', 'd', '{"n":2}');
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(3_100);
    const second = await wire.next();
    expect(text(second)).toBe('{"n":2}');
    expect(second.id).not.toBe(first.id);
    expect(second.options.observe).toBeGreaterThan(first.options.observe!);
    clock.advance(200_000);
    await until(() => server.stats().observers === 0, 'the observer to be forgotten');
    expect(server.stats()).toMatchObject({ timeouts: 1, retransmissions: 4 });
  });

  test('before its state becomes stale an observer gets it again', async () => {
    const clock = manualClock();
    const { wire } = await observed({ clock });
    clock.advance(50_000);
    await wire.settle();
    expect(wire.received).toEqual([]);
    clock.advance(6_000);
    expect(text(await wire.next())).toBe('{"n":0}');
  });

  test('registering again with the same token renews and does not add', async () => {
    const { results, wire, server, first } = await observed();
    wire.send(get(2, 7, 0));
    const again = await wire.next();
    expect(again.options.observe).toBeGreaterThan(first.options.observe!);
    expect(server.stats().observers).toBe(1);
    results.publish('p', 'd', '{"n":1}');
    wire.send(ack(await wire.next()));
    await wire.settle();
    expect(wire.received).toEqual([]);
  });

  test('a result that is not there yet is not observed', async () => {
    const { port, server } = await openDoor();
    const wire = await openWire(port);
    wire.send(get(1, 1, 0));
    const answer = await wire.next();
    expect([answer.code, answer.options.observe]).toEqual([Code.NOT_FOUND, undefined]);
    expect(server.stats().observers).toBe(0);
  });
});

describe('non-confirmable observers', () => {
  test('get non-confirmable notifications, and a confirmable one every so often', async () => {
    const { results, wire, first } = await observed({}, NON);
    expect(first.type).toBe(NON);
    const types: number[] = [];
    for (let n = 1; n <= 5; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      types.push((await wire.next()).type);
    }
    expect(types).toEqual([NON, NON, NON, NON, NON]);
  });

  test('are paced without a known round trip, with the newest state in the end', async () => {
    const clock = manualClock();
    const { results, wire, server } = await observed({ clock }, NON);
    for (let n = 1; n <= 20; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await wire.settle();
    expect(wire.received).toHaveLength(5);
    wire.received.length = 0;
    clock.advance(3_200);
    expect(text(await wire.next())).toBe('{"n":20}');
    expect(server.stats().notifications).toBe(6);
  });

  test('a confirmable notification measures the round trip and speeds them up', async () => {
    const clock = manualClock();
    const { results, wire } = await observed({ clock }, NON);
    let confirmable = 0;
    for (let n = 1; confirmable < 2 && n < 100; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      await new Promise((resolve) => setImmediate(resolve));
      if (confirmable === 0) clock.advance(3_100);
      else clock.advance(20);
      const notification = await wire.next();
      if (notification.type !== CON) continue;
      confirmable += 1;
      clock.advance(10);
      wire.send(ack(notification));
      await wire.settle();
    }
    expect(confirmable).toBe(2);
  });

  test('a reset of any recent one ends it', async () => {
    const { results, wire, server } = await observed({}, NON);
    results.publish('p', 'd', '{"n":1}');
    const early = await wire.next();
    results.publish('p', 'd', '{"n":2}');
    await wire.next();
    wire.send(reset(early));
    await until(() => server.stats().observers === 0, 'the end');
  });
});

describe('bounds', () => {
  test('one client may have so many observations; more are answered and not observed', async () => {
    const { port, results, server } = await openDoor({ limits: { maxSubscriptions: 3 } });
    results.publish('p', 'd', '{}');
    const wire = await openWire(port);
    const sequences: (number | undefined)[] = [];
    for (let token = 1; token <= 5; token += 1) {
      wire.send(get(token, token, 0));
      sequences.push((await wire.next()).options.observe);
    }
    expect(sequences.map((s) => s !== undefined)).toEqual([true, true, true, false, false]);
    expect(server.stats()).toMatchObject({ observers: 3, declined: 2 });
  });

  test('all clients together too, and an observer is not forgotten for newer clients', async () => {
    const { port, results, server } = await openDoor({ limits: { maxConnections: 2, maxDevices: 2 } });
    results.publish('p', 'd', '{"n":0}');
    const first = await openWire(port);
    first.send(get(1, 1, 0));
    await first.next();
    for (let i = 0; i < 6; i += 1) {
      const wire = await openWire(port);
      wire.send(get(1, 1, 0));
      await wire.next();
    }
    expect(server.stats().observers).toBe(2);
    results.publish('p', 'd', '{"n":1}');
    expect(text(await first.next())).toBe('{"n":1}');
  });
});

describe('the client', () => {
  test('gets each state in order and ends on its own wish', async () => {
    const { port, results, server } = await openDoor();
    results.publish('p', 'd', '{"n":0}');
    const client = await openClient(port);
    const states: string[] = [];
    const observation = await client.observe(
      { path: 'r/p/d' },
      { onState: (response) => states.push(response.payload.toString()) },
    );
    expect(observation.accepted).toBe(true);
    for (let n = 1; n <= 10; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      await until(() => states.length === n + 1, `state ${n}`);
    }
    expect(states).toEqual(Array.from({ length: 11 }, (_, n) => `{"n":${n}}`));
    await observation.cancel();
    expect(server.stats().observers).toBe(0);
  });

  test('fetches the rest of a large state', async () => {
    const { port, results } = await openDoor();
    const body = (n: number) => `{"n":${n},"pad":"${'x'.repeat(3000)}"}`;
    results.publish('p', 'd', body(0));
    const client = await openClient(port);
    const states: string[] = [];
    await client.observe({ path: 'r/p/d' }, { onState: (r) => states.push(r.payload.toString()) });
    await until(() => states.length === 1, 'the first state');
    results.publish('p', 'd', body(1));
    await until(() => states.length === 2, 'the second state');
    expect(states).toEqual([body(0), body(1)]);
  });

  test('is told when there is nothing to observe', async () => {
    const { port } = await openDoor();
    const client = await openClient(port);
    const ended: unknown[] = [];
    const observation = await client.observe(
      { path: 'r/p/none' },
      { onState: () => expect.unreachable(), onEnd: (reason) => ended.push(reason) },
    );
    expect(observation.accepted).toBe(false);
    expect(ended).toMatchObject([{ code: Code.NOT_FOUND }]);
  });
});

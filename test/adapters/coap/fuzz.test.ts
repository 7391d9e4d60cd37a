import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeMessage, OptionCache, parseMessage } from '../../../adapters/coap/message.ts';
import { openClient, openDoor, openWire } from './harness.ts';

const seed = Number(process.env.AIMX_SEED ?? 20_260_602);
const option = (number: number, text: string) => ({ number, value: Buffer.from(text) });

/** Valid messages of every kind the door knows, to be damaged. */
const SEEDS = [
  encodeMessage(
    0,
    2,
    1,
    Buffer.from([1]),
    [option(11, 's'), option(11, 'temperature'), option(11, 'm')],
    Buffer.from('{"value":1}'),
  ),
  encodeMessage(
    1,
    3,
    2,
    Buffer.alloc(8, 1),
    [option(11, 's'), option(11, 'pack'), option(11, 'm'), option(12, 'p')],
    Buffer.alloc(40),
  ),
  encodeMessage(
    0,
    1,
    3,
    Buffer.from([2]),
    [option(6, ''), option(11, 'r'), option(11, 'p'), option(11, 'd'), option(23, '\x06')],
    Buffer.alloc(0),
  ),
  encodeMessage(
    0,
    1,
    4,
    Buffer.alloc(0),
    [option(11, '.well-known'), option(11, 'core'), option(15, 'rt=a*')],
    Buffer.alloc(0),
  ),
  encodeMessage(
    0,
    2,
    5,
    Buffer.from([3]),
    [
      option(11, 's'),
      option(11, 'temperature'),
      option(11, 'm'),
      option(27, '\x0a'),
      option(60, '\xff'),
      option(292, 'tag'),
    ],
    Buffer.alloc(64),
  ),
  encodeMessage(2, 0x45, 6, Buffer.from([4]), [option(4, 'etag'), option(14, 'x')], Buffer.from('x')),
  Buffer.from([0x40, 0, 0, 7]),
  Buffer.from([0x70, 0, 0, 7]),
];

const damaged = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom('set', 'flip', 'insert', 'drop', 'cut'),
      ),
      {
        minLength: 1,
        maxLength: 6,
      },
    ),
  )
  .map(([start, edits]) => {
    let bytes = [...start];
    for (const [place, value, kind] of edits) {
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      if (kind === 'set') bytes[at] = value;
      else if (kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << (value & 7));
      else if (kind === 'insert') bytes.splice(at, 0, value);
      else if (kind === 'drop') bytes.splice(at, 1);
      else bytes = bytes.slice(0, at);
    }
    return Buffer.from(bytes);
  });
const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const headed = noise.map((bytes) => Buffer.concat([Buffer.from([0x40 | ((bytes[0] ?? 0) & 0x3f)]), bytes]));

test(`no bytes make the parser throw (seed ${seed})`, () => {
  const cache = new OptionCache(64);
  fc.assert(
    fc.property(fc.oneof(damaged, noise, headed), (datagram) => {
      parseMessage(datagram, cache);
      expect(cache.size).toBeLessThanOrEqual(64);
    }),
    { seed, numRuns: 20_000 },
  );
});

test(`60,000 damaged and random datagrams leave the door working and small (seed ${seed})`, async () => {
  const { port, server, log, results } = await openDoor({ limits: { maxDevices: 50, maxConnections: 50 } });
  results.publish('p', 'd', `{"pad":"${'x'.repeat(3000)}"}`);
  const datagrams = fc.sample(fc.oneof(damaged, damaged, noise, headed), { seed, numRuns: 20_000 });
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 60; round += 1) {
    const wire = await openWire(port);
    for (let i = 0; i < 1000; i += 100) {
      const start = ((round * 1000 + i) * 7) % datagrams.length;
      for (const datagram of datagrams.slice(start, start + 100)) wire.send(datagram);
      await wire.settle();
      wire.received.length = 0;
      wire.raw.length = 0;
    }
  }
  const client = await openClient(port);
  const sent = await client.request({ method: 'POST', path: 's/temperature/m', payload: Buffer.from('1') });
  expect(sent.code).toBe(0x44);
  const stats = server.stats();
  expect(stats.faults).toBe(0);
  expect(stats.received).toBeGreaterThan(50_000);
  expect(log.lines.filter((line) => line.level === 'error' || line.level === 'warn')).toEqual([]);
  expect(stats.peers).toBeLessThanOrEqual(100);
  expect(stats.observers).toBeLessThanOrEqual(50);
  expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
}, 60_000);

import { expect, it } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { EventHub } from '../../gateway/http/api/events/hub.ts';
import type { LiveEvent, LiveSource } from '../../gateway/http/api/events/topics.ts';
import { eventSchemas } from '../../gateway/http/api/schemas/events.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { until } from '../support/until.ts';

function setUp() {
  const waiting = new Map<string, LiveEvent[]>();
  const open: string[] = [];
  const source: LiveSource = {
    open({ kind, id }) {
      if (id === 'nothing') throw new GatewayError('NOT_FOUND', 'there is no such stream');
      const key = id === '' ? kind : `${kind}:${id}`;
      open.push(key);
      return {
        collect: () => waiting.get(key)?.splice(0) ?? [],
        close: () => void open.splice(open.indexOf(key), 1),
      };
    },
  };
  const clock = manualClock();
  const hub = new EventHub({ source, clock, log: recordingLog() });
  const tell = (key: string, event: LiveEvent) => waiting.set(key, [...(waiting.get(key) ?? []), event]);
  return { hub, clock, open, tell };
}

/** Lets collecting that is under way end. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const behind = (n: number): LiveEvent => ({ name: 'behind', data: { events: n } });

it('tells each listener of its topics, and collects a topic once and only while somebody listens', async () => {
  const { hub, clock, open, tell } = setUp();
  const one = hub.open('alarms,readings:t', 'a');
  const two = hub.open('alarms', 'b');
  expect(open).toEqual(['alarms', 'readings:t']);
  await settled();
  tell('alarms', behind(1));
  tell('readings:t', behind(2));
  clock.advance(250);
  const texts = ['', ''];
  one.on('data', (chunk) => (texts[0] += chunk));
  two.on('data', (chunk) => (texts[1] += chunk));
  await until(() => texts[0]!.includes('"events":2') && texts[1]!.includes('"events":1'), 'the events');
  expect(texts[0]).toMatch(/^retry: 2000\nevent: hello\ndata: \{.*\}\n\nevent: behind\n/);
  expect(texts[1]).not.toContain('"events":2');
  const hello = /event: hello\ndata: (.*)\n/.exec(texts[1]!)![1]!;
  expect(eventSchemas.hello.parse(JSON.parse(hello))).toEqual({ topics: ['alarms'], heartbeatMs: 15_000 });
  clock.advance(15_000);
  await until(() => texts[0]!.includes(': still here\n\n'), 'a heartbeat');
  one.destroy();
  await until(() => hub.stats().clients === 1, 'its end');
  expect(open).toEqual(['alarms']);
  hub.stop();
  expect([hub.stats(), open]).toEqual([{ clients: 0, topics: 0 }, []]);
});

it('leaves events out for who does not read, keeps the newest status, and says how many', async () => {
  const { hub, clock, tell } = setUp();
  const slow = hub.open('status,alarms', 'a');
  await settled();
  const large = 'x'.repeat(70_000);
  tell('alarms', { name: 'behind', data: { events: 0, large } });
  clock.advance(250);
  await until(() => slow.readableLength > 65_536, 'a full buffer');
  for (let n = 1; n <= 5; n++) {
    tell('status', { name: 'status', data: { state: 'ready', now: n } });
    tell('alarms', behind(1000 + n));
    clock.advance(250);
    await settled();
  }
  let text = '';
  slow.on('data', (chunk) => (text += chunk));
  await until(() => text.includes(large), 'what waited');
  tell('alarms', behind(7));
  clock.advance(250);
  await until(() => text.includes('{"events":7}'), 'the next event');
  expect(text).toContain(
    'event: behind\ndata: {"events":5}\n\nevent: status\ndata: {"state":"ready","now":5}',
  );
  expect(text).not.toContain('1001');
  hub.stop();
});

it('ends who takes nothing for half a minute', async () => {
  const { hub, clock, tell } = setUp();
  const stuck = hub.open('alarms', 'a');
  await settled();
  tell('alarms', { name: 'behind', data: 'x'.repeat(70_000) });
  clock.advance(250);
  await until(() => stuck.readableLength > 65_536, 'a full buffer');
  tell('alarms', behind(1));
  clock.advance(250);
  await settled();
  clock.advance(31_000);
  await until(() => stuck.destroyed && hub.stats().clients === 0, 'its end');
});

it('is bounded, and says what there is', () => {
  const { hub } = setUp();
  for (let n = 0; n < 64; n++) hub.open('status', `peer ${n % 8}`);
  expect(() => hub.open('status', 'another')).toThrow(expect.objectContaining({ code: 'HTTP_BUSY' }));
  hub.stop();
  for (let n = 0; n < 16; n++) hub.open('status', 'one');
  expect(() => hub.open('status', 'one')).toThrow(expect.objectContaining({ code: 'HTTP_BUSY' }));
  hub.stop();
  for (const topics of ['', 'weather', 'readings', 'status:x', 'readings:a,'])
    expect(() => hub.open(topics, 'a'), topics).toThrow(expect.objectContaining({ code: 'HTTP_REQUEST' }));
  const many = Array.from({ length: 17 }, (_, n) => `readings:${n}`).join();
  expect(() => hub.open(many, 'a')).toThrow(expect.objectContaining({ code: 'HTTP_REQUEST' }));
  expect(() => hub.open('status,readings:nothing', 'a')).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND' }),
  );
  expect(hub.stats()).toEqual({ clients: 0, topics: 0 });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldValue } from '../../gateway/ports/reading.ts';
import { readingDocuments, textDocuments } from '../../gateway/upstream/documents.ts';
import { Gaps } from '../../gateway/upstream/gaps.ts';
import { Pause } from '../../gateway/upstream/pause.ts';
import { Rate } from '../../gateway/upstream/rate.ts';
import { SharedAlarm } from '../../gateway/upstream/shared-alarm.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';

describe('gaps', () => {
  test('are what came while it was closed', () => {
    const gaps = new Gaps();
    gaps.close(10);
    expect([gaps.limit(4, 20), gaps.pending(4, 20), gaps.skip(4)]).toEqual([10, 6, 4]);
    gaps.open(20);
    expect([gaps.limit(4, 30), gaps.pending(4, 30)]).toEqual([10, 16]);
    expect([gaps.skip(10), gaps.limit(20, 30), gaps.pending(20, 30)]).toEqual([20, 30, 10]);
    const copy = new Gaps();
    copy.load(gaps.encode());
    expect([copy.skip(10), copy.closed]).toEqual([20, false]);
    gaps.passed(20);
    expect(gaps.skip(10)).toBe(10);
  });

  test('never offer what they hold, whatever happens', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('grow', 'close', 'open', 'send'), fc.nat(20)), { maxLength: 60 }),
        (steps) => {
          const gaps = new Gaps();
          let head = 0;
          let position = 0;
          let closed = false;
          const turnedAway = new Set<number>();
          const sent: number[] = [];
          for (const [step, count] of steps) {
            if (step === 'grow')
              for (let i = 0; i < count; i++) {
                head++;
                if (closed) turnedAway.add(head);
              }
            if (step === 'close') {
              closed = true;
              gaps.close(head);
            }
            if (step === 'open') {
              closed = false;
              gaps.open(head);
            }
            if (step === 'send') {
              position = gaps.skip(position);
              const end = Math.min(gaps.limit(position, head), position + count);
              for (; position < end; position++) sent.push(position + 1);
              gaps.passed(position);
            }
            const expected = head - position - [...turnedAway].filter((seq) => seq > position).length;
            expect(gaps.pending(position, head)).toBe(expected);
          }
          for (const seq of sent) expect(turnedAway.has(seq)).toBe(false);
        },
      ),
      { seed: 20260609, numRuns: 500 },
    );
  });
});

describe('documents', () => {
  const record = (fields: string[], values: FieldValue[], flags = 0) => ({
    seq: 7,
    device: 'd "1"',
    deviceSeq: 3,
    time: 1000.5,
    arrival: 2000,
    flags,
    value: { fields, values },
  });

  test('of readings keep names, types and bits', () => {
    const made = readingDocuments(
      'gw',
      's',
    )(record(['a', 'b"', 'c', 'd', 'e'], [-0, 'x\n', null, true, Float32Array.of(1.5, Number.NaN, -0)], 3));
    expect(made).toMatchObject({
      id: 'gw/s/d "1"/1000.5-3',
      kind: 'reading',
      source: 's',
      device: 'd "1"',
      time: 1000.5,
    });
    const body = JSON.parse(made.body);
    expect(body).toEqual({
      id: made.id,
      stream: 's',
      device: 'd "1"',
      time: 1000.5,
      time_unsynced: true,
      time_replaced: true,
      values: { a: -0, 'b"': 'x\n', c: null, d: true, e: [1.5, null, -0] },
    });
    expect(Object.is(body.values.a, -0)).toBe(true);
  });

  test('of numbers come back bit for bit', () => {
    const document = readingDocuments('gw', 's');
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Object.is(JSON.parse(document(record(['v'], [value])).body).values.v, value)).toBe(true);
      }),
      { seed: 20260610, numRuns: 500 },
    );
  });

  test('of text keep it and find its id', () => {
    const document = textDocuments('gw', 'result', 'p');
    const of = (value: string) => document({ ...record([], []), value });
    expect(of('{"id":"gw/p/d/1-2","x":1}')).toMatchObject({
      id: 'gw/p/d/1-2',
      body: '{"id":"gw/p/d/1-2","x":1}',
    });
    expect(of('{"id":"a\\"b"}').id).toBe('a"b');
    expect(of('{"x":1,"id":"late"}').id).toBe('late');
    for (const odd of ['{"x":1}', 'null', 'torn', '{"id":5}']) expect(of(odd).id).toBe('gw/p/d "1"/1000.5-3');
  });
});

test('a pause ends by time, by call, by a call that came before, and by abort', async () => {
  const clock = manualClock();
  const pause = new Pause(clock);
  const { signal } = new AbortController();
  const timed = pause.wait(100, signal);
  clock.advance(100);
  await timed;
  const called = pause.wait(Number.POSITIVE_INFINITY, signal);
  pause.end();
  await called;
  pause.end();
  await pause.wait(Number.POSITIVE_INFINITY, signal);
  const abort = new AbortController();
  const aborted = pause.wait(Number.POSITIVE_INFINITY, abort.signal);
  abort.abort();
  await aborted;
  await pause.wait(Number.POSITIVE_INFINITY, abort.signal);
});

test('a rate follows a steady flow from its beginning and fades', () => {
  const young = new Rate(0);
  for (let now = 100; now <= 2000; now += 100) young.add(5, now);
  expect(young.value(2000)).toBeCloseTo(50, -1);
  const rate = new Rate(0);
  for (let now = 0; now <= 200_000; now += 100) rate.add(5, now);
  expect(rate.value(200_000)).toBeCloseTo(50, 0);
  expect(rate.value(220_000)).toBeCloseTo(25, 0);
});

test('an alarm of several sinks is over when none has it', () => {
  const alarms = recordingAlarms();
  const shared = new SharedAlarm(alarms, 'uplink-down', 'fix');
  shared.raise('a', 'is away');
  shared.raise('b', 'is away');
  expect(alarms.active()[0]!.message).toBe('upstream: a is away; b is away');
  shared.clear('a');
  expect(alarms.active()[0]!.message).toBe('upstream: b is away');
  shared.clear('b');
  expect(alarms.active()).toEqual([]);
});

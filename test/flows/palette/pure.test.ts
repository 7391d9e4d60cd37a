import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBody } from '../../../flows/palette/src/gateway/oip.ts';
import { Outbox } from '../../../flows/palette/src/gateway/outbox.ts';
import { Subscriptions } from '../../../flows/palette/src/gateway/subscriptions.ts';
import { inputsOf, joined, rowsOf, tensorOf, valuesOf } from '../../../flows/palette/src/gateway/tensors.ts';
import { deviceIn, filterOf, level, matches } from '../../../flows/palette/src/gateway/topics.ts';
import { sumOf } from '../../../flows/palette/src/nodes/common/amount.ts';
import { fromPayload, Seen, toPayload } from '../../../flows/palette/src/nodes/common/payload.ts';
import { CountWindows, TimeWindows } from '../../../flows/palette/src/nodes/common/windows.ts';

const fp32 = (shape: number[], name = 'input') => ({ name, datatype: 'FP32', shape });

describe('values as tensors', () => {
  it('adds the batch, folds flat lists, keeps nested ones', () => {
    const rows = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    expect(tensorOf(fp32([-1, 3, 2]), rows)).toMatchObject({ shape: [1, 3, 2], data: [1, 2, 3, 4, 5, 6] });
    expect(tensorOf(fp32([-1, 3, 2]), [rows, rows]).shape).toEqual([2, 3, 2]);
    expect(tensorOf(fp32([-1, 3, 2]), [1, 2, 3, 4, 5, 6]).shape).toEqual([1, 3, 2]);
    expect(tensorOf(fp32([-1, 3]), Float32Array.of(1, 2, 3)).shape).toEqual([1, 3]);
    expect(tensorOf(fp32([-1, -1]), [1, 2, 3]).shape).toEqual([1, 3]);
    expect(tensorOf(fp32([1]), 7)).toMatchObject({ shape: [1], data: [7] });
    expect(tensorOf(fp32([]), 7)).toMatchObject({ shape: [], data: [7] });
    expect(tensorOf({ name: 'on', datatype: 'BOOL', shape: [-1] }, true).data).toEqual([true]);
    expect(tensorOf(fp32([-1, 2]), ['1.5', true]).data).toEqual([1.5, 1]);
  });

  it('says what was expected', () => {
    expect(() => tensorOf(fp32([-1, 3, 2]), [1, 2, 3])).toThrow('input "input" takes [any, 3, 2]');
    expect(() => tensorOf(fp32([-1, 2]), [[1, 2], [3]])).toThrow('rows are not equally long');
    expect(() => tensorOf(fp32([-1, 2]), [1, [2]])).toThrow('rows are not equally deep');
    expect(() => tensorOf(fp32([-1, 2]), [[1], 2])).toThrow('rows are not equally deep');
    expect(() => tensorOf(fp32([-1]), ['warm'])).toThrow('takes FP32, the message has "warm"');
    expect(() => inputsOf([fp32([-1], 'a'), fp32([-1], 'b')], { a: [1] })).toThrow('no value for input "b"');
    expect(() => inputsOf([fp32([-1], 'a')], { b: [1] })).toThrow('no value for input "a"');
  });

  it('batches come apart as they were put together', () => {
    const rows = fc.array(fc.array(fc.integer(), { minLength: 3, maxLength: 3 }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 6 }), (requests) => {
        const each = requests.map((one) => [tensorOf(fp32([-1, 3]), one)]);
        const all = joined(each);
        let from = 0;
        requests.forEach((one, i) => {
          expect(rowsOf(all, from, one.length, all[0]!.shape[0]!)).toEqual(each[i]);
          from += one.length;
        });
      }),
      { seed: 7, numRuns: 100 },
    );
  });

  it('outputs are values by name', () => {
    const output = (name: string, shape: number[], data: unknown[]) => ({
      name,
      datatype: 'FP32',
      shape,
      data,
    });
    expect(
      valuesOf([
        output('score', [1, 1], [0.9]),
        output('classes', [1, 3], [1, 2, 3]),
        output('batch', [2, 2], [1, 2, 3, 4]),
        output('scores', [2, 1], [1, 2]),
        output('none', [0], []),
      ]),
    ).toEqual({
      score: 0.9,
      classes: [1, 2, 3],
      batch: [
        [1, 2],
        [3, 4],
      ],
      scores: [1, 2],
      none: [],
    });
  });

  it('buffers go behind the JSON, each with its length', () => {
    const picture = Buffer.from([255, 0, 128]);
    const inputs = inputsOf([{ name: 'photo', datatype: 'BYTES', shape: [-1] }], picture);
    const request = { id: 'r', model: 'm', version: '', inputs, parameters: {}, deadlineMs: 5 };
    const { body, headerBytes } = requestBody(request);
    const json = JSON.parse(body.subarray(0, headerBytes).toString());
    expect(json.inputs).toEqual([
      { name: 'photo', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 7 } },
    ]);
    expect([...body.subarray(headerBytes)]).toEqual([3, 0, 0, 0, 255, 0, 128]);
  });
});

describe('topics', () => {
  it('match as MQTT says', () => {
    expect(matches('a/+/c', 'a/b/c')).toBe(true);
    expect(matches('a/#', 'a')).toBe(true);
    expect(matches('a/+', 'a/b/c')).toBe(false);
    expect(matches('#', '$SYS/x')).toBe(false);
    expect(filterOf('plant/{device}/{kind}', 'press-1')).toBe('plant/press-1/+');
    expect(deviceIn('plant/{device}/t', 'plant/press-1/t')).toBe('press-1');
    expect(() => level('a/b', 'device')).toThrow('"a/b" is no name of a device');
  });

  it('a filter is subscribed once, and who comes later gets what is retained', () => {
    const subscriptions = new Subscriptions();
    const heard: string[] = [];
    const listener = (name: string) => ({
      message: ({ payload, retain }: { payload: Buffer; retain: boolean }) =>
        void heard.push(`${name} ${payload} ${retain}`),
    });
    const [a, b] = [listener('a'), listener('b')];
    expect(subscriptions.add('x/#', { qos: 1, retained: true }, a)).toBe(true);
    subscriptions.deliver({ topic: 'x/1', payload: Buffer.from('on'), qos: 1, retain: false });
    expect(subscriptions.add('x/#', { qos: 1, retained: true }, b)).toBe(false);
    expect(heard).toEqual(['a on false', 'b on true']);
    expect(subscriptions.remove('x/#', a)).toBe(false);
    expect(subscriptions.remove('x/#', b)).toBe(true);
    expect(subscriptions.filters()).toEqual([]);
  });
});

describe('the outbox', () => {
  const publication = { topic: 't', payload: Buffer.alloc(10), qos: 1, retain: false } as const;

  it('is bounded, and gives up what ends one connection after the other', () => {
    const outbox = new Outbox(2, 100);
    const ends: string[] = [];
    for (const name of ['first', 'second'])
      outbox.add(publication, (error) => ends.push(`${name}: ${error?.message ?? 'done'}`));
    expect(() => outbox.add(publication, () => {})).toThrow('2 messages already wait');
    for (let i = 0; i < 3; i++) {
      for (const entry of outbox.unsent(10)) entry.sent = true;
      outbox.rewind();
    }
    expect(ends).toEqual(['first: the connection ended 3 times at a message to t']);
    expect(outbox.unsent(10)).toHaveLength(1);
  });
});

describe('windows', () => {
  it('of a number of readings slide and are kept apart', () => {
    const windows = new CountWindows(3, 2);
    const closed = [1, 2, 3, 4, 5, 6].flatMap((n) => {
      windows.add('other', n, [-n]);
      return windows.add('one', n, [n]);
    });
    expect(closed).toEqual([
      { rows: [[1], [2], [3]], start: 1, end: 3 },
      { rows: [[3], [4], [5]], start: 3, end: 5 },
    ]);
  });

  it('of time close with the first reading behind them, whatever gaps there are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (gaps, length, every) => {
          const windows = new TimeWindows(length, every);
          let now = 0;
          const times = gaps.map((gap) => (now += gap));
          const closed = times.flatMap((time) => windows.add('k', time, [time]));
          for (const { rows, start, end } of closed) {
            expect(end - start).toBe(length);
            expect(Math.abs(start % every)).toBe(0);
            expect(rows.map(([time]) => time)).toEqual(times.filter((time) => time >= start && time < end));
          }
          const starts = closed.map(({ start }) => start);
          expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });
});

describe('payloads and amounts', () => {
  it('are JSON, text or bytes', () => {
    expect(toPayload({ t: 1 }).toString()).toBe('{"t":1}');
    expect(toPayload(21.5).toString()).toBe('21.5');
    expect([...toPayload(Int16Array.of(1, -1))]).toEqual([1, 0, 255, 255]);
    expect(() => toPayload(Number.NaN)).toThrow('NaN is no reading');
    expect(() => toPayload(undefined)).toThrow('a undefined is no reading');
    expect(fromPayload(Buffer.from('{"t":1}'))).toEqual({ t: 1 });
    expect(fromPayload(Buffer.from('on'))).toBe('on');
    expect(fromPayload(Buffer.from([255, 216]))).toEqual(Buffer.from([255, 216]));
  });

  it('are exact', () => {
    expect(sumOf(['0.0001', '0.0002', '1'])).toBe('1.0003');
    expect(sumOf(['0.000000000000000001', '123456789.999999999999999999'])).toBe('123456790');
    expect(sumOf([])).toBe('0');
  });

  it('of which only the newest are remembered', () => {
    const seen = new Seen(2);
    expect(['a', 'b', 'a', 'c', 'a'].map((key) => seen.has(key))).toEqual([false, false, true, false, false]);
  });
});

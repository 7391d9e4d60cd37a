import { describe, expect, test } from 'vitest';
import { FLAG_TIME_REPLACED, FLAG_TIME_UNSYNCED } from '../../gateway/ports/reading.ts';
import { ARRIVAL, codeOf, decode, fieldsOf } from './support.ts';

describe('without fields', () => {
  test('every scalar and numeric array is a field', () => {
    const [reading] = decode(
      {},
      '{"t":21.5,"ok":true,"s":"x","n":null,"o":{"a":1},"w":[1,2],"mixed":[1,"a"],"e":[]}',
    );
    expect(fieldsOf(reading)).toEqual({ t: 21.5, ok: true, s: 'x', w: Float64Array.of(1, 2) });
    expect(reading).toMatchObject({ device: 'd1', time: ARRIVAL, flags: 0 });
  });

  test.each([
    ['21.5', 21.5],
    ['"on"', 'on'],
    ['false', false],
    ['-0', -0],
  ])('a bare %s is "value"', (payload, value) => {
    expect(fieldsOf(decode({}, payload)[0])).toEqual({ value });
  });

  test('an array is several readings, its time member no field', () => {
    const readings = decode({ time: { path: '$.ts' } }, '[{"v":1,"ts":1000},{"v":2,"ts":2000.5}]');
    expect(readings.map((r) => [r.time, fieldsOf(r)])).toEqual([
      [1000, { v: 1 }],
      [2000.5, { v: 2 }],
    ]);
  });

  test('readings of one shape share their list of names', () => {
    const settings = {};
    const [a, b] = decode(settings, '[{"x":1,"y":2},{"x":3,"y":4}]');
    expect(a!.value.fields).toBe(b!.value.fields);
  });
});

describe('with fields', () => {
  const fields = {
    value: { path: '$.t', unit: 'Cel', min: -50, max: 400 },
    label: { path: "$.info['l l']", type: 'string', optional: true },
  };

  test('paths, ranges and optional fields', () => {
    expect(fieldsOf(decode({ fields }, '{"t":1,"info":{"l l":"a"}}')[0])).toEqual({ value: 1, label: 'a' });
    expect(fieldsOf(decode({ fields }, '{"t":1,"info":null}')[0])).toEqual({ value: 1, label: null });
  });

  test.each([
    ['{"t":401}', 'DECODE_RANGE'],
    ['{"t":-51}', 'DECODE_RANGE'],
    ['{"t":1e400}', 'DECODE_RANGE'],
    ['{"t":"1"}', 'DECODE_TYPE'],
    ['{"t":[1]}', 'DECODE_TYPE'],
    ['{"t":null}', 'DECODE_FIELD'],
    ['{}', 'DECODE_FIELD'],
    ['5', 'DECODE_FIELD'],
    ['{"t":1,"info":{"l l":3}}', 'DECODE_TYPE'],
  ])('%s is rejected with %s', (payload, code) => {
    expect(codeOf(() => decode({ fields }, payload))).toBe(code);
  });

  test('scale, offset and arrays', () => {
    const made = decode({ fields: { w: { type: 'array', scale: 0.5, offset: 1 } } }, '{"w":[1,2.5]}');
    expect(fieldsOf(made[0])).toEqual({ w: Float64Array.of(1.5, 2.25) });
  });

  test('a field at $ of type array takes the whole array, one at $[0] an element', () => {
    expect(fieldsOf(decode({ fields: { w: { path: '$', type: 'array' } } }, '[1,2]')[0])).toEqual({
      w: Float64Array.of(1, 2),
    });
    expect(fieldsOf(decode({ fields: { a: { path: '$[1]' } } }, '[1,2]')[0])).toEqual({ a: 2 });
  });

  test('a lone field without a path also takes a bare value', () => {
    expect(fieldsOf(decode({ fields: { temperature: {} } }, '20')[0])).toEqual({ temperature: 20 });
    expect(fieldsOf(decode({ fields: { temperature: {} } }, '{"temperature":20}')[0])).toEqual({
      temperature: 20,
    });
  });
});

describe('time', () => {
  const time = { path: '$.ts' };
  test('further than an hour ahead is replaced by arrival, behind is kept', () => {
    const at = (ts: number) => decode({ time }, JSON.stringify({ v: 1, ts }))[0];
    expect(at(ARRIVAL + 3_600_000)).toMatchObject({ time: ARRIVAL + 3_600_000, flags: 0 });
    expect(at(ARRIVAL + 3_600_001)).toMatchObject({ time: ARRIVAL, flags: FLAG_TIME_REPLACED });
    expect(at(12.25)).toMatchObject({ time: 12.25, flags: 0 });
  });

  test('under a clock that is not believed is kept and flagged', () => {
    const [reading] = decode({ time }, '{"v":1,"ts":99}', { synced: false, arrival: 5 });
    expect(reading).toMatchObject({ time: 99, flags: FLAG_TIME_UNSYNCED });
  });

  test('that is mapped and missing rejects', () => {
    expect(codeOf(() => decode({ time }, '{"v":1}'))).toBe('DECODE_TIME');
  });
});

describe('hostile payloads', () => {
  test.each([
    ['', 'DECODE_EMPTY'],
    ['   ', 'DECODE_SYNTAX'],
    ['{', 'DECODE_SYNTAX'],
    ['NaN', 'DECODE_SYNTAX'],
    ['[]', 'DECODE_EMPTY'],
    ['{}', 'DECODE_FIELD'],
    ['null', 'DECODE_FIELD'],
    ['{"v":1e999}', 'DECODE_RANGE'],
    ['{"w":[1,1e999]}', 'DECODE_RANGE'],
    ['{"__proto__":1}', 'DECODE_NAME'],
    ['{"constructor":1}', 'DECODE_NAME'],
    ['{"":1}', 'DECODE_NAME'],
    ['{"\\ud800":1}', 'DECODE_NAME'],
    ['{"v":"\\udfff"}', 'DECODE_SYNTAX'],
    [`{"${'k'.repeat(200)}":1}`, 'DECODE_NAME'],
    [`[${'1,'.repeat(10_000)}1]`, 'DECODE_LIMIT'],
    [`{${Array.from({ length: 65 }, (_, i) => `"k${i}":1`)}}`, 'DECODE_LIMIT'],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'DECODE_FIELD'],
    [`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 'DECODE_FIELD'],
  ])('%.40s is %s', (payload, code) => {
    expect(codeOf(() => decode({}, payload))).toBe(code);
  });

  test('bytes that are not UTF-8 are rejected, a byte order mark is not', () => {
    expect(codeOf(() => decode({}, Uint8Array.of(0x22, 0xff, 0x22)))).toBe('DECODE_SYNTAX');
    expect(fieldsOf(decode({}, '\ufeff{"v":1}')[0])).toEqual({ v: 1 });
  });

  test('nothing reaches a prototype', () => {
    decode({}, '{"a":{"__proto__":{"polluted":1}},"v":1}');
    expect(codeOf(() => decode({ fields: { x: { path: '$.__proto__.toString' } } }, '{"a":1}'))).toBe(
      'DECODE_FIELD',
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('of duplicate names the last counts, long integers become the nearest double', () => {
    expect(fieldsOf(decode({}, '{"v":1,"v":2}')[0])).toEqual({ v: 2 });
    expect(fieldsOf(decode({}, '9007199254740993')[0])).toEqual({ value: 9007199254740992 });
  });
});

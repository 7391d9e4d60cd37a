import { describe, expect, test } from 'vitest';
import { compilePath } from '../../gateway/ingest/fields/path.ts';
import { compileTime, parseIso8601, secondsToMs } from '../../gateway/ingest/fields/time.ts';
import { unitConversion } from '../../gateway/ingest/fields/units.ts';
import { codeOf } from './support.ts';

describe('paths (RFC 9535 subset)', () => {
  const root = { a: { 'b c': [10, { d: 1 }], "q'": 2 }, constructor: 5 };
  test.each([
    ['$', root],
    ["$.a['b c'][0]", 10],
    ['$.a["b c"][1].d', 1],
    ["$.a['q\\'']", 2],
    ['$.a.missing.deeper', undefined],
    ['$.a[0]', undefined],
    ['$.constructor', 5],
    ['$.toString', undefined],
    ['$.a.__proto__', undefined],
    ['constructor', 5],
  ])('%s', (path, value) => {
    expect(compilePath(path).read(root)).toBe(value);
  });

  test('read nothing from scalars', () => {
    for (const root of [1, 'text', null, undefined, true, [1]])
      expect(compilePath('$.length').read(root)).toBeUndefined();
  });

  test.each(['$.', '$[', '$[-1]', '$..a', '$[*]', '$.a b', '$x', '$[?@.a]'])('%s is refused', (path) => {
    expect(codeOf(() => compilePath(path))).toBe('CONFIG_INVALID');
  });
});

describe('units (RFC 8428, RFC 8798)', () => {
  test.each([
    ['degF', 'Cel', 212, 100],
    ['K', 'Cel', 273.15, 0],
    ['Cel', 'K', 0, 273.15],
    ['km/h', 'm/s', 36, 10],
    ['hPa', 'Pa', 1013.25, 101325],
    ['kWh', 'J', 1, 3.6e6],
    ['dBm', 'dBW', 30, 0],
    ['kHz', '1/s', 2, 2000],
    ['min', 'h', 90, 1.5],
  ])('%s to %s', (from, to, value, converted) => {
    expect(unitConversion(from, to)!(value)).toBeCloseTo(converted, 9);
  });

  test('of different kinds do not convert, equal ones keep the bits', () => {
    expect(unitConversion('Cel', 'V')).toBeNull();
    expect(unitConversion('__proto__', 'V')).toBeNull();
    expect(Object.is(unitConversion('x', 'x')!(-0), -0)).toBe(true);
  });
});

describe('times', () => {
  test.each([
    ['2014-04-01 00:00:00', Date.UTC(2014, 3, 1)],
    ['2014-04-01T02:00:00.123456+02:00', Date.UTC(2014, 3, 1) + 123.456],
    ['2014-04-01T00:00Z', Date.UTC(2014, 3, 1)],
    ['2014-04-01', Date.UTC(2014, 3, 1)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ])('%s', (text, time) => {
    expect(parseIso8601(text)).toBe(time);
  });

  test.each([
    '2014-02-30',
    '2014-13-01',
    '2014-04-01T24:00:00Z',
    'yesterday',
    '',
    '1396310400000',
    '2014-04-01T00',
  ])('%j is no time', (text) => expect(parseIso8601(text)).toBeUndefined());

  test('of seconds keep microseconds', () => {
    expect(secondsToMs(1_780_000_000.123456)).toBe(1_780_000_000_123.456);
    const { parse } = compileTime({ path: '$.t', format: 'epoch-s', zone: 'utc' });
    expect(parse(1.5)).toBe(1500);
    for (const bad of [Number.NaN, Infinity, 1e300, 'x', null, undefined, {}]) {
      expect(codeOf(() => parse(bad))).toBe('DECODE_TIME');
    }
  });
});

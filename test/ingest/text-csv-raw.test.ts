import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testData } from '../support/data.ts';
import { ARRIVAL, codeOf, decode, fieldsOf } from './support.ts';

describe('text', () => {
  test.each([
    ['21.5\n', 21.5],
    [' -3e2 ', -300],
    ['true', true],
    ['open', 'open'],
    ['21.5 °C', '21.5 °C'],
    ['0x10', '0x10'],
  ])('%j', (payload, value) => {
    expect(fieldsOf(decode({ decode: 'text' }, payload)[0])).toEqual({ value });
  });

  test('as the type of the first field', () => {
    const text = (type: string, payload: string) =>
      fieldsOf(decode({ decode: 'text', fields: { x: { type } } }, payload)[0]);
    expect(text('number', '.5')).toEqual({ x: 0.5 });
    expect(text('boolean', 'ON')).toEqual({ x: true });
    expect(text('string', '5')).toEqual({ x: '5' });
    expect(codeOf(() => text('number', 'nan'))).toBe('DECODE_RANGE');
    expect(codeOf(() => text('number', 'warm'))).toBe('DECODE_TYPE');
    expect(codeOf(() => text('boolean', 'maybe'))).toBe('DECODE_TYPE');
  });

  test.each([
    ['', 'DECODE_EMPTY'],
    [' \n', 'DECODE_EMPTY'],
    ['NaN', 'DECODE_RANGE'],
    ['-Infinity', 'DECODE_RANGE'],
    ['1e999', 'DECODE_RANGE'],
    ['x'.repeat(5000), 'DECODE_LIMIT'],
  ])('%.20j is %s', (payload, code) => {
    expect(codeOf(() => decode({ decode: 'text' }, payload))).toBe(code);
  });
});

describe('csv', () => {
  test('names columns by the first line and reads quotes', () => {
    const readings = decode({ decode: 'csv' }, 'a,b,"c,d"\r\n1,"x ""y""\nz",\r\n-2.5,,true\r\n\r\n');
    expect(readings.map(fieldsOf)).toEqual([
      { a: 1, b: 'x "y"\nz', 'c,d': null },
      { a: -2.5, b: null, 'c,d': true },
    ]);
  });

  test('takes columns, fields and time from the configuration', () => {
    const settings = {
      decode: 'csv',
      csv: { delimiter: ';', columns: ['ts', 't', 'extra'] },
      time: { path: 'ts', format: 'epoch-s' },
      fields: { value: { path: 't', max: 50 }, note: { path: 'gone', type: 'string', optional: true } },
    };
    const [reading] = decode(settings, '1000.25;21.5;zzz');
    expect(reading).toMatchObject({ time: 1_000_250, device: 'd1' });
    expect(fieldsOf(reading)).toEqual({ value: 21.5, note: null });
    expect(codeOf(() => decode(settings, '1000;51;'))).toBe('DECODE_RANGE');
    expect(codeOf(() => decode(settings, '1000;;'))).toBe('DECODE_FIELD');
    expect(codeOf(() => decode(settings, 'noon;1;'))).toBe('DECODE_TIME');
  });

  test.each([
    ['a,b', 'DECODE_EMPTY'],
    ['a,b\n1', 'DECODE_SYNTAX'],
    ['a,b\n1,"x', 'DECODE_SYNTAX'],
    ['a,b\n1,"x"y', 'DECODE_SYNTAX'],
    ['a,a\n1,2', 'DECODE_NAME'],
    ['a,__proto__\n1,2', 'DECODE_NAME'],
    ['a\nnan', 'DECODE_RANGE'],
    [`a\n${'1\n'.repeat(10_002)}`, 'DECODE_LIMIT'],
    [`${'a,'.repeat(2000)}\n`, 'DECODE_LIMIT'],
  ])('%.20j is %s', (payload, code) => {
    expect(codeOf(() => decode({ decode: 'csv' }, payload))).toBe(code);
  });

  test('a recorded series comes out bit for bit, in order', (task) => {
    const file = testData('nab', 'realKnownCause/ambient_temperature_system_failure.csv');
    if (!file) return task.skip();
    const [header, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/).slice(0, 9001);
    const readings = decode(
      { decode: 'csv', time: { path: 'timestamp', format: 'iso8601' }, fields: { value: {} } },
      [header, ...lines].join('\n'),
    );
    expect(
      readings.map(
        (r) => `${new Date(r.time).toISOString().slice(0, 19).replace('T', ' ')},${r.value.values[0]}`,
      ),
    ).toEqual(lines.map((line) => `${line.split(',')[0]},${Number(line.split(',')[1])}`));
  });
});

describe('raw', () => {
  const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

  test('keeps the type of the samples and owns its memory', () => {
    const payload = bytes(Int16Array.of(1, -2, 3));
    const [reading] = decode({ decode: 'raw', raw: { type: 'int16' } }, payload);
    payload.fill(0);
    expect(reading!.time).toBe(ARRIVAL);
    expect(fieldsOf(reading)).toEqual({ value: Int16Array.of(1, -2, 3) });
  });

  test('parts interleaved channels, also from an unaligned payload', () => {
    const shifted = new Uint8Array(17);
    shifted.set(bytes(Float32Array.of(1, 2, 3, 4)), 1);
    const made = decode({ decode: 'raw', raw: { channels: 2 } }, shifted.subarray(1));
    expect(fieldsOf(made[0])).toEqual({ ch0: Float32Array.of(1, 3), ch1: Float32Array.of(2, 4) });
  });

  test('scales by field; a single frame of a number field is a number', () => {
    const settings = (type: string) => ({
      decode: 'raw',
      raw: { type: 'int16', channels: 2 },
      fields: { x: { channel: 1, scale: 0.5, type }, y: { channel: 0, type } },
    });
    const frame = bytes(Int16Array.of(8, 3));
    expect(fieldsOf(decode(settings('number'), frame)[0])).toEqual({ x: 1.5, y: 8 });
    expect(fieldsOf(decode(settings('array'), frame)[0])).toEqual({
      x: Float32Array.of(1.5),
      y: Int16Array.of(8),
    });
  });

  test('rejects broken frames, NaN and what is out of range', () => {
    expect(codeOf(() => decode({ decode: 'raw' }, new Uint8Array(5)))).toBe('DECODE_SYNTAX');
    expect(codeOf(() => decode({ decode: 'raw' }, new Uint8Array(0)))).toBe('DECODE_EMPTY');
    expect(codeOf(() => decode({ decode: 'raw' }, bytes(Float32Array.of(1, Number.NaN))))).toBe(
      'DECODE_RANGE',
    );
    const ranged = { decode: 'raw', fields: { v: { max: 1, type: 'array' } } };
    expect(codeOf(() => decode(ranged, bytes(Float32Array.of(1, 2))))).toBe('DECODE_RANGE');
    expect(codeOf(() => decode({ decode: 'raw', fields: { v: { channel: 1 } } }, new Uint8Array(4)))).toBe(
      'CONFIG_INVALID',
    );
  });
});

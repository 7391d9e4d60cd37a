import { encode } from 'cbor2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCbor } from '../../gateway/ingest/decode/cbor-reader.ts';
import { codeOf, decode, fieldsOf } from './support.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the reader', () => {
  // RFC 8949 Appendix A.
  test.each([
    ['00', 0],
    ['1818', 24],
    ['1903e8', 1000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['1bffffffffffffffff', 2 ** 64],
    ['c249010000000000000000', 2 ** 64],
    ['3bffffffffffffffff', -(2 ** 64)],
    ['c349010000000000000000', -(2 ** 64) - 1],
    ['20', -1],
    ['3903e7', -1000],
    ['f98000', -0],
    ['f93c00', 1],
    ['f97bff', 65504],
    ['f90001', 2 ** -24],
    ['f9c400', -4],
    ['fa47c35000', 100000],
    ['fb3ff199999999999a', 1.1],
    ['f97c00', Number.POSITIVE_INFINITY],
    ['f97e00', Number.NaN],
    ['f4', false],
    ['f7', null],
    ['c48221196ab3', 273.15],
    ['c5822003', 1.5],
    ['c11a514b67b0', 1363896240],
    ['62225c', '"\\'],
    ['7f657374726561646d696e67ff', 'streaming'],
    ['5f42010243030405ff', Uint8Array.of(1, 2, 3, 4, 5)],
    ['9f018202039f0405ffff', [1, [2, 3], [4, 5]]],
    ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
    ['a201020304', { 1: 2, 3: 4 }],
    ['d845480001020304050607', Uint16Array.of(256, 770, 1284, 1798)],
    ['d841480001020304050607', Uint16Array.of(1, 515, 1029, 1543)],
    ['d855 44 0000803f', Float32Array.of(1)],
    ['d9d9f701', 1],
  ])('%s', (text, value) => {
    expect(readCbor(hex(text))).toEqual(value);
  });

  test.each([
    ['', 'DECODE_EMPTY'],
    ['18', 'DECODE_SYNTAX'],
    ['0000', 'DECODE_SYNTAX'],
    ['ff', 'DECODE_SYNTAX'],
    ['1c', 'DECODE_SYNTAX'],
    ['1f', 'DECODE_SYNTAX'],
    ['df01', 'DECODE_SYNTAX'],
    ['82ff01', 'DECODE_SYNTAX'],
    ['bf01ff', 'DECODE_SYNTAX'],
    ['c1ff', 'DECODE_SYNTAX'],
    ['e0', 'DECODE_SYNTAX'],
    ['f818', 'DECODE_SYNTAX'],
    ['61ff', 'DECODE_SYNTAX'],
    ['7f4101ff', 'DECODE_SYNTAX'],
    ['a2616101616102', 'DECODE_SYNTAX'],
    ['a201016131 02', 'DECODE_SYNTAX'],
    ['a1695f5f70726f746f5f5f01', 'DECODE_SYNTAX'],
    ['a1f401', 'DECODE_SYNTAX'],
    ['d8454100', 'DECODE_SYNTAX'],
    ['c401', 'DECODE_SYNTAX'],
    ['9bffffffffffffffff', 'DECODE_SYNTAX'],
    ['bb7fffffffffffffff', 'DECODE_SYNTAX'],
    ['5a7fffffff', 'DECODE_SYNTAX'],
    ['7bffffffffffffffff', 'DECODE_SYNTAX'],
    [`${'81'.repeat(40)}01`, 'DECODE_LIMIT'],
    [`${'c6'.repeat(100_000)}01`, 'DECODE_LIMIT'],
    [`9f${'80'.repeat(200_000)}ff`, 'DECODE_LIMIT'],
    [`7f${'60'.repeat(200_001)}ff`, 'DECODE_LIMIT'],
  ])('%.40s is refused with %s', (text, code) => {
    expect(codeOf(() => readCbor(hex(text)))).toBe(code);
  });

  test('reads what another implementation writes', () => {
    const key = fc.string({ unit: 'binary', maxLength: 12 }).filter((name) => name !== '__proto__');
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 5 },
        fc.double({ noNaN: true }),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.string({ unit: 'binary' }),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array(),
        fc.array(tie('any'), { maxLength: 5 }),
        fc.dictionary(key, tie('any'), { maxKeys: 5, noNullPrototype: true }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (original) => {
        // cbor2 writes -0 as a float only when told to; both encodings are read above.
        expect(readCbor(encode(original))).toEqual(original);
      }),
      { seed: 20260601, numRuns: 500 },
    );
  });

  test('answers any bytes with a value or a coded rejection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(codeOf(() => readCbor(bytes)) ?? 'DECODE_SYNTAX').toMatch(/^DECODE_(SYNTAX|EMPTY|LIMIT)$/);
      }),
      { seed: 20260602, numRuns: 5000 },
    );
  });
});

test('cbor uses the paths of JSON', () => {
  const settings = { decode: 'cbor', fields: { t: { path: '$.a[1].t' } }, time: { path: '$.ts' } };
  const [reading] = decode(settings, encode({ a: [0, { t: 20.5 }], ts: 1234.5 }));
  expect(reading).toMatchObject({ time: 1234.5 });
  expect(fieldsOf(reading)).toEqual({ t: 20.5 });
  expect(fieldsOf(decode({ decode: 'cbor' }, encode({ w: Float64Array.of(1, 2), n: 1 }))[0])).toEqual({
    w: Float64Array.of(1, 2),
    n: 1,
  });
  expect(codeOf(() => decode({ decode: 'cbor' }, hex('a16176f97e00')))).toBe('DECODE_RANGE');
});

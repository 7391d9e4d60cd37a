import { describe, expect, test } from 'vitest';
import { codeOf, decode, fieldsOf } from './support.ts';

/** What streams keep for models: opaque payloads, and exact tensors. */

test('bytes: the payload as it is, under the configured name or `payload`', () => {
  const payload = Uint8Array.of(0xff, 0xd8, 0, 10, 13, 0xff);
  const [reading] = decode({ decode: 'bytes' }, payload);
  expect(fieldsOf(reading)).toEqual({ payload: [payload] });
  const [named] = decode({ decode: 'bytes', fields: { photo: { type: 'bytes' } } }, payload);
  expect(fieldsOf(named)).toEqual({ photo: [payload] });
  payload.fill(1);
  expect((fieldsOf(reading).payload as readonly Uint8Array[])[0]![0]).toBe(0xff);
  expect(codeOf(() => decode({ decode: 'bytes' }, new Uint8Array(0)))).toBe('DECODE_EMPTY');
});

test('bytes in JSON are base64, in CBOR byte strings', () => {
  const fields = { photo: { type: 'bytes' } };
  const [json] = decode({ fields }, '{"photo":"/9gA"}');
  expect(fieldsOf(json)).toEqual({ photo: [Uint8Array.of(0xff, 0xd8, 0)] });
  const [cbor] = decode({ decode: 'cbor', fields }, Buffer.from('a16570686f746f43ffd800', 'hex'));
  expect(fieldsOf(cbor)).toEqual({ photo: [Uint8Array.of(0xff, 0xd8, 0)] });
  expect(codeOf(() => decode({ fields }, '{"photo":"no base64!"}'))).toBe('DECODE_TYPE');
});

describe('tensors', () => {
  const tensor = (datatype: string, json: string): unknown =>
    fieldsOf(decode({ fields: { x: { type: 'tensor', datatype } } }, `{"x":${json}}`)[0]).x;

  test('64-bit integers are exact, as numbers or digits', () => {
    expect(tensor('INT64', '[9223372036854775807,-9223372036854775808,"9007199254740993",3]')).toEqual(
      BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 3n),
    );
    expect(tensor('UINT64', '18446744073709551615')).toEqual(BigUint64Array.of(2n ** 64n - 1n));
    expect(codeOf(() => tensor('INT64', '9223372036854775808'))).toBe('DECODE_RANGE');
    expect(codeOf(() => tensor('UINT64', '-1'))).toBe('DECODE_RANGE');
    expect(codeOf(() => tensor('INT64', '1.5'))).toBe('DECODE_TYPE');
  });

  test('nested lists are flattened row by row, uneven ones refused', () => {
    expect(tensor('INT8', '[[1,2],[3,-4]]')).toEqual(Int8Array.of(1, 2, 3, -4));
    expect(tensor('FP32', '[]')).toEqual(new Float32Array(0));
    expect(codeOf(() => tensor('FP32', '[[1,2],[3]]'))).toBe('DECODE_TYPE');
    expect(codeOf(() => tensor('FP32', '[[1,2],3]'))).toBe('DECODE_TYPE');
    expect(codeOf(() => tensor('FP32', `${'['.repeat(40)}1${']'.repeat(40)}`))).toBe('DECODE_TYPE');
  });

  test('floats take the names of what is not finite, integers stay within their range', () => {
    expect(tensor('FP64', '["NaN","Infinity","-Infinity",0.1]')).toEqual(
      Float64Array.of(Number.NaN, Infinity, -Infinity, 0.1),
    );
    expect(codeOf(() => tensor('UINT8', '256'))).toBe('DECODE_RANGE');
    expect(codeOf(() => tensor('INT16', '"NaN"'))).toBe('DECODE_RANGE');
    expect(tensor('BOOL', '[true,false,1,0]')).toEqual(Uint8Array.of(1, 0, 1, 0));
    expect(codeOf(() => tensor('BOOL', '2'))).toBe('DECODE_TYPE');
  });

  test('texts are the elements of BYTES', () => {
    expect(tensor('BYTES', '["ä",""]')).toEqual([Uint8Array.of(0xc3, 0xa4), new Uint8Array(0)]);
    expect(codeOf(() => tensor('BYTES', '[1]'))).toBe('DECODE_TYPE');
  });
});

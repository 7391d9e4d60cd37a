import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readingCodec } from '../../gateway/ingest/reading-codec.ts';
import type { FieldValue, ReadingValue } from '../../gateway/ports/reading.ts';
import { GrowableBytes } from '../../gateway/store/bytes.ts';

function encoded(value: ReadingValue): Uint8Array {
  const out = new GrowableBytes(16);
  out.u8(0xaa);
  readingCodec.encode(value, out);
  return out.written(1);
}

const bits = (value: FieldValue): unknown =>
  typeof value === 'number'
    ? ['number', new BigUint64Array(Float64Array.of(value).buffer)[0]]
    : ArrayBuffer.isView(value)
      ? [
          value.constructor.name,
          Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex'),
        ]
      : value;

function roundTrip(value: ReadingValue): void {
  const back = readingCodec.decode(encoded(value));
  expect(back.fields).toEqual(value.fields);
  expect(back.values.map(bits)).toEqual(value.values.map(bits));
}

const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.float(),
  fc.constantFrom(-0, 0, 2 ** 31, -(2 ** 31), 2 ** 31 - 1, 5e-324),
);
const text = fc.string({ unit: 'binary', maxLength: 50 }).map((s) => s.toWellFormed());
const value: fc.Arbitrary<FieldValue> = fc.oneof(
  number,
  text,
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.double(), { maxLength: 20 }).map((a) => Float64Array.from(a)),
  fc.array(fc.float(), { maxLength: 20 }).map((a) => Float32Array.from(a)),
  fc.int8Array(),
  fc.uint8Array(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.array(fc.uint8Array(), { maxLength: 4 }),
);
const reading: fc.Arbitrary<ReadingValue> = fc
  .array(fc.tuple(text, value), { maxLength: 20 })
  .map((pairs) => ({ fields: pairs.map(([name]) => name), values: pairs.map(([, v]) => v) }));

describe('readingCodec', () => {
  test('gives back every value bit for bit', () => {
    fc.assert(fc.property(reading, roundTrip), { seed: 20260603, numRuns: 1000 });
  });

  test('keeps signalling bits of NaN inside arrays', () => {
    const nan = new Float64Array(new BigUint64Array([0x7ff0_0000_0000_0001n, 0xfff8_dead_beef_0001n]).buffer);
    roundTrip({ fields: ['w'], values: [nan] });
  });

  test('is compact for whole numbers and single precision', () => {
    expect(encoded({ fields: ['v'], values: [21] }).length).toBe(6);
    expect(encoded({ fields: ['v'], values: [21.5] }).length).toBe(9);
    expect(encoded({ fields: ['v'], values: [21.1] }).length).toBe(13);
  });

  test('shares the names of records of one shape, and copies arrays', () => {
    const one = encoded({ fields: ['a', 'b'], values: [1, Uint8Array.of(7)] });
    const first = readingCodec.decode(one);
    const second = readingCodec.decode(encoded({ fields: ['a', 'b'], values: [2, null] }));
    expect(second.fields).toBe(first.fields);
    one.fill(0);
    expect(first.values[1]).toEqual(Uint8Array.of(7));
  });

  test('does not remember a list of names that its owner changes', () => {
    const fields = ['a'];
    encoded({ fields, values: [1] });
    fields[0] = 'b';
    expect(readingCodec.decode(encoded({ fields, values: [1] })).fields).toEqual(['b']);
  });

  test('answers cut and flipped records with RangeError or some reading, never otherwise', () => {
    const sample = Buffer.from(encoded({ fields: ['a', 'bb'], values: [1.1, Int16Array.of(1, 2, 3)] }));
    fc.assert(
      fc.property(fc.nat(sample.length), fc.nat(sample.length - 1), fc.nat(255), (length, at, byte) => {
        const damaged = Uint8Array.from(sample.subarray(0, length));
        if (at < length) damaged[at] = byte;
        try {
          readingCodec.decode(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { seed: 20260604, numRuns: 2000 },
    );
  });
});

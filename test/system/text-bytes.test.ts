import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shortestDecimal } from '../../gateway/system/decimal.ts';
import { TextBytes, utf8Of } from '../../gateway/system/text-bytes.ts';

const written = (write: (out: TextBytes) => void): string => {
  const out = new TextBytes(1);
  write(out);
  const text = out.text(0, out.length);
  expect(Buffer.from(out.written()).toString('utf8')).toBe(text);
  return text;
};
const check = <T>(values: fc.Arbitrary<T>, holds: (value: T) => void): void =>
  fc.assert(
    fc.property(values, (value) => {
      holds(value);
    }),
    { seed: 33, numRuns: 3000 },
  );

describe('TextBytes', () => {
  test('writes whole numbers, and others, as String does', () => {
    const edges = [0, -0, 9, 10, 999_999_999, 1e9, 1e9 + 1, 1e15 - 1, 1e15, 2 ** 53, 1e21, -1, 0.1, 1e-7];
    for (const value of edges) expect(written((out) => out.number(value))).toBe(String(value));
    check(fc.oneof(fc.maxSafeNat(), fc.double(), fc.nat(2_000_000_000)), (value) =>
      expect(written((out) => out.number(value))).toBe(String(value)),
    );
  });

  test('writes float32 with the digits that tell them apart', () => {
    const one = (value: number): void =>
      expect(written((out) => out.float32(value))).toBe(String(shortestDecimal(value)));
    for (const value of [
      0, -0, 0.5, -0.25, 1e-6, 9.999999e-7, 9_999_999, 16_777_216, 3.4e38, 1e-45, 0.1, 99.99999,
    ])
      one(Math.fround(value));
    check(fc.float({ noNaN: true, noDefaultInfinity: true }), one);
    check(fc.float({ min: Math.fround(-1e7), max: Math.fround(1e7), noNaN: true }), one);
    check(fc.float({ min: 0, max: 1, noNaN: true }), one);
  });

  test('writes base64 and any text', () => {
    check(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const all = Buffer.from(bytes);
      expect(written((out) => out.base64(all, 0, all.length))).toBe(all.toString('base64'));
      const from = all.length >> 1;
      expect(written((out) => out.base64(all, from, all.length))).toBe(all.toString('base64', from));
    });
    check(fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 5 }), (texts) => {
      const whole = written((out) => {
        for (const text of texts) {
          out.string(text);
          out.part(utf8Of(text));
          out.char(33);
        }
      });
      expect(whole).toBe(texts.map((text) => `${text}${text}!`).join(''));
    });
  });

  test('begins anew when cleared, and keeps no more than a little memory', () => {
    const out = new TextBytes();
    out.string('ü'.repeat(2_000_000));
    out.clear();
    out.string('abc');
    expect(out.text(0, out.length)).toBe('abc');
    expect(out.written().buffer.byteLength).toBeLessThanOrEqual(1024 * 1024);
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../gateway/billing/formats/canonical-json.ts';

// RFC 8785 §3.2.2 and §3.2.3
test('gives the canonical forms of the RFC', () => {
  const numbers = [JSON.parse('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0];
  expect(canonicalJson({ numbers, literals: [null, true, false] })).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0]}',
  );
  expect(canonicalJson('€$\u000f\nA\'B"\\\\"/')).toBe('"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"');
  const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
  expect(Object.keys(JSON.parse(canonicalJson(Object.fromEntries(keys.map((k) => [k, k])))))).toEqual([
    '1', // (an integer key is first in any ECMAScript object)
    '\r',
    '\u0080',
    '\u00f6',
    '\u20ac',
    '\ud83d\ude00',
    '\ufb33',
  ]);
});

test('is a fixed point and loses nothing (seed 20260603)', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(!JSON.stringify(value).includes('\\ud'));
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
    { seed: 20260603 },
  );
});

test.each([[Number.NaN], [Number.POSITIVE_INFINITY], [1n], ['\ud800'], [() => 1]])('refuses %s', (value) => {
  expect(() => canonicalJson(value)).toThrow(TypeError);
});

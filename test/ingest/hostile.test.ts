import { encode } from 'cbor2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf, decode, fieldsOf } from './support.ts';

const FORMATS = ['json', 'text', 'csv', 'cbor', 'senml+json', 'senml+cbor', 'raw'] as const;

const samples: readonly Uint8Array[] = [
  Buffer.from('{"t":21.5,"ts":1780000000000,"ok":true,"w":[1,2,3],"s":"é"}'),
  Buffer.from('[{"bn":"urn:dev:1:","bt":1780000000,"n":"t","u":"Cel","v":21.5},{"n":"h","v":40,"t":-5}]'),
  Buffer.from('a,b\n1,"2"\n3,4\n'),
  encode({ t: 21.5, ts: 1780000000000, nested: { a: [1, 2, null] } }),
  encode([
    new Map<unknown, unknown>([
      [-2, 'd:'],
      [-3, 1780000000],
      [0, 't'],
      [2, 21.5],
    ]),
  ]),
  new Uint8Array(Float32Array.of(1, 2, 3).buffer),
];

const SETTINGS: readonly Record<string, unknown>[] = [
  {},
  { fields: { t: { min: 0, max: 100, unit: 'Cel' }, s: { type: 'string', optional: true } } },
  { fields: { w: { type: 'array', path: '$.w' } }, time: { path: '$.ts' } },
];

/** A sample with a few bytes changed, inserted, removed or repeated. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat(3), fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 }),
  )
  .map(([sample, edits]) => {
    const bytes = [...sample];
    for (const [kind, place, byte] of edits) {
      const at = place % (bytes.length + 1);
      if (kind === 0) bytes[at] = byte;
      else if (kind === 1) bytes.splice(at, 0, byte);
      else if (kind === 2) bytes.splice(at, 1);
      else bytes.splice(at, 0, ...bytes.slice(at, at + 8));
    }
    return Uint8Array.from(bytes, (b) => b ?? 0);
  });

describe.each(FORMATS)('%s', (format) => {
  test('answers every mutation with readings or a coded rejection', () => {
    fc.assert(
      fc.property(
        fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })),
        fc.constantFrom(...SETTINGS),
        (bytes, settings) => {
          const code = codeOf(() => {
            for (const reading of decode({ decode: format, raw: { channels: 2 }, ...settings }, bytes, {
              device: undefined,
            })) {
              expect(Number.isFinite(reading.time)).toBe(true);
              expect(reading.value.fields).toHaveLength(reading.value.values.length);
              for (const value of Object.values(fieldsOf(reading))) {
                if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
              }
            }
          });
          expect(code ?? 'DECODE_').toMatch(/^DECODE_/);
        },
      ),
      { seed: 20260605, numRuns: 1500 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

test('what is sent comes out: JSON and CBOR objects of plain values', () => {
  const name = fc
    .stringMatching(/^[A-Za-z_][A-Za-z0-9_.:-]{0,20}$/)
    .filter((n) => !['__proto__', 'constructor', 'prototype'].includes(n));
  const scalar = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.string({ unit: 'binary' }).map((s) => s.toWellFormed()),
  );
  fc.assert(
    fc.property(fc.dictionary(name, scalar, { minKeys: 1, maxKeys: 20, noNullPrototype: true }), (object) => {
      const positive = Object.fromEntries(
        Object.entries(object).map(([k, v]) => [k, Object.is(v, -0) ? 0 : v]),
      );
      expect(fieldsOf(decode({}, JSON.stringify(positive))[0])).toEqual(positive);
      expect(fieldsOf(decode({ decode: 'cbor' }, encode(object))[0])).toEqual(object);
    }),
    { seed: 20260606, numRuns: 500 },
  );
});

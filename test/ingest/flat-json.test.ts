import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlatJson } from '../../gateway/ingest/decode/flat-json.ts';
import { codeOf, decode, fieldsOf } from './support.ts';

const SEED = 20261122;
const NAMES = ['v', 'ts', 'b c', 'long-member-name'];

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
/** A reader for each payload: one that gave up looks away for a while. */
const read = (payload: Uint8Array) => new FlatJson(NAMES).read(payload);

/** What JSON.parse makes of the payload; undefined when it refuses. */
function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    return undefined;
  }
}

/** Where the reader answers, it answers as JSON.parse. */
function expectSame(payload: Uint8Array): boolean {
  const members = read(payload);
  if (members === undefined) return false;
  const root = parsed(payload);
  expect(typeof root, String(payload)).toBe('object');
  for (const name of NAMES) {
    const wanted = Object.hasOwn(root as object, name) ? (root as Record<string, unknown>)[name] : undefined;
    expect(Object.is(members[name], wanted), `${name} of ${Buffer.from(payload)}`).toBe(true);
  }
  return true;
}

const digits = fc.stringMatching(/^\d{1,22}$/);
/** Numbers as text, also those that JSON does not allow. */
const number = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    fc.oneof(fc.constant('0'), digits),
    fc.oneof(
      fc.constant(''),
      digits.map((text) => `.${text}`),
      fc.constant('.'),
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant('') }, fc.stringMatching(/^[eE][+-]?\d{0,3}$/)),
  )
  .map((parts) => parts.join(''));
const scalar = fc.oneof(
  number,
  fc.double().map((value) => JSON.stringify(value)),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.string().map((text) => JSON.stringify(text)),
  fc.constantFrom('true', 'false', 'null', 'tru', 'nul', 'NaN', ''),
);
const value = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.stringify(json)) },
);
const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r', '\u00a0');
const name = fc.oneof(fc.constantFrom(...NAMES, '__proto__', 'w'), fc.string({ maxLength: 6 }));
const member = fc
  .tuple(space, name, space, space, value, space)
  .map(([a, key, b, c, text, d]) => `${a}${JSON.stringify(key)}${b}:${c}${text}${d}`);
const object = fc
  .tuple(fc.array(member, { maxLength: 5 }), space, fc.constantFrom('', '', '', ',', '}', 'x', '\u0000'))
  .map(([members, before, after]) => `${before}{${members.join(',')}}${after}`);

describe('members read straight from the bytes', () => {
  it('are those that JSON.parse reads, bit for bit', () => {
    let answered = 0;
    fc.assert(
      fc.property(object, (text) => {
        if (expectSame(bytes(text))) answered++;
      }),
      { numRuns: 5000, seed: SEED },
    );
    expect(answered).toBeGreaterThan(300);
  });

  it('are those that JSON.parse reads when bytes are changed, cut off or repeated', () => {
    fc.assert(
      fc.property(
        object,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom('set', 'cut', 'twice'),
        (text, place, byte, change) => {
          const payload = bytes(text);
          const at = place % (payload.length + 1);
          if (change === 'set') payload[at] = byte;
          const changed =
            change === 'cut'
              ? payload.subarray(0, at)
              : change === 'twice'
                ? Buffer.concat([payload.subarray(0, at), payload])
                : payload;
          expectSame(changed);
        },
      ),
      { numRuns: 5000, seed: SEED },
    );
  });

  it('have the nearest double, however many digits there are', () => {
    fc.assert(
      fc.property(number, (text) => {
        expectSame(bytes(`{"v":${text}}`));
      }),
      { numRuns: 5000, seed: SEED },
    );
    for (const text of [
      '-0',
      '0.1',
      '9007199254740993',
      '1e23',
      '5e-324',
      '123456789012345678',
      '1e400',
      '-0.0',
    ])
      expect(expectSame(bytes(`{"v":${text}}`)), text).toBe(true);
  });

  it('are left to JSON.parse where there is more to it', () => {
    for (const text of [
      '[]',
      '5',
      '',
      '{"v":"ü"}',
      '{"v":"\\n"}',
      '{"v":[1]}',
      '{"v":1',
      '{"v":01}',
      '\ufeff{"v":1}',
    ])
      expect(read(bytes(text)), text).toBeUndefined();
  });
});

describe('a stream of scalar fields', () => {
  const fields = { v: {}, label: { path: "$['b c']", type: 'string', optional: true } };
  const settings = { fields, time: { path: '$.ts' } };

  it('gives the same readings and the same errors the short way and the long way', () => {
    for (const text of [
      '{"ts":1000,"v":1.5,"b c":"x"}',
      '{"ts":1000,"v":1,"v":2}',
      '{"v":3,"ts":1000,"more":{"a":[1]}}',
    ]) {
      const short = decode(settings, text);
      const long = decode(settings, text.replace('{', '{"ü":0,'));
      expect(short).toEqual(long);
      expect(fieldsOf(short[0])).toEqual(fieldsOf(long[0]));
    }
    for (const text of [
      '{"ts":1000}',
      '{"ts":1000,"v":"1"}',
      '{"ts":"x","v":1}',
      '{"ts":1000,"v":1e999}',
      '{"v":1,}',
    ])
      expect(
        codeOf(() => decode(settings, text)),
        text,
      ).toBe(codeOf(() => decode(settings, text.replace('{', '{"ü":0,'))));
  });
});

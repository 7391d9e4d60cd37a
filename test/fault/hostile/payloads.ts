import { encode } from 'cbor2';

/** Formats a stream may decode, with the Content-Format of CoAP (RFC 7252 §12.3, RFC 8428 §12). */
export const FORMATS = {
  json: 50,
  text: 0,
  csv: 42,
  cbor: 60,
  'senml+json': 110,
  'senml+cbor': 112,
  raw: 42,
} as const;

export type Format = keyof typeof FORMATS;

const repeat = (text: string, times: number): Buffer => Buffer.from(text.repeat(times));
const bytes = (...values: number[]): Buffer => Buffer.from(values);

const JSON_TEXTS = [
  '',
  ' ',
  'nul',
  '{',
  '{"value":}',
  '{"value":NaN}',
  '{"value":Infinity}',
  '{"value":1e400}',
  '{"value":-0}',
  '{"value":9007199254740993}',
  `{"value":${'9'.repeat(5000)}}`,
  '{"value":1,"value":2}',
  '{"__proto__":{"value":1},"value":2}',
  '{"constructor":{"prototype":{"polluted":1}},"value":2}',
  '{"value":"\\ud800"}',
  '{"value":{"value":{"value":1}}}',
  '"\\u0000"',
];

const CBOR_BYTES = [
  bytes(),
  bytes(0xff),
  // Lengths that are not there: a byte string, an array and a map of 2^64 - 1.
  bytes(0x5b, ...new Array<number>(8).fill(0xff)),
  bytes(0x9b, ...new Array<number>(8).fill(0xff)),
  bytes(0xbb, ...new Array<number>(8).fill(0xff)),
  bytes(0x9a, 0x7f, 0xff, 0xff, 0xff),
  // NaN as half, single and double; a number beyond 2^53; duplicate keys; endless indefinite lengths.
  bytes(0xf9, 0x7e, 0x00),
  bytes(0xfa, 0x7f, 0xc0, 0x00, 0x00),
  bytes(0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
  bytes(0x1b, 0x00, 0x20, 0, 0, 0, 0, 0, 1),
  bytes(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02),
  Buffer.alloc(10_000, 0x9f),
  Buffer.alloc(10_000, 0x5f),
  // Nesting and tags.
  Buffer.alloc(50_000, 0x81),
  Buffer.alloc(50_000, 0xa1),
  Buffer.alloc(50_000, 0xc0),
  Buffer.from(encode({ __proto__: null, value: 2n ** 70n })),
  Buffer.from(encode(new Map([['__proto__', 1]]))),
];

const SENML = [
  [{ bn: 'x'.repeat(20_000), n: 'value', v: 1 }],
  [{ bv: 1e308, n: 'value', v: 1e308 }],
  [{ bs: 1e308, n: 'value', s: 1e308 }],
  [{ bt: 1e300, n: 'value', v: 1, t: 1e300 }],
  [{ bver: 11, n: 'value', v: 1 }],
  [{ n: '__proto__', v: 1 }],
  [{ n: 'value' }],
  [{ v: 1 }],
  [{ n: 'value', v: 1, vs: 'a', vb: true }],
  [{ n: 'value', vd: '!!!' }],
  [{ n: 'value', v: 1, must_: 1 }],
  Array.from({ length: 12_000 }, () => ({ n: 'v' })),
  Array.from({ length: 12_000 }, (_, i) => ({ n: `value${i}`, v: i })),
];

/** What each format is offered besides what is meant for the others. */
const OWN: Readonly<Record<Format, readonly Buffer[]>> = {
  json: [
    ...JSON_TEXTS.map((text) => Buffer.from(text)),
    repeat('[', 100_000),
    repeat('{"a":', 40_000),
    Buffer.from(`{"value":${'['.repeat(50_000)}${']'.repeat(50_000)}}`),
    Buffer.from(`[${'{"value":1},'.repeat(15_000)}{"value":1}]`),
    Buffer.from(`{${Array.from({ length: 15_000 }, (_, i) => `"k${i}":${i}`).join()}}`),
  ],
  text: ['NaN', 'Infinity', '1e999', '0x10', '9007199254740993', '1 2', '\u0000', '١٢'].map((t) =>
    Buffer.from(t),
  ),
  csv: [
    Buffer.from('value\n"1'),
    Buffer.from(`${'a,'.repeat(60_000)}value\n1`),
    Buffer.from(`value\n${'1\n'.repeat(60_000)}`),
    Buffer.from('value,value\n1,2'),
    Buffer.from('__proto__,value\n1,NaN'),
    repeat('"', 100_000),
    repeat('\n', 100_000),
  ],
  cbor: CBOR_BYTES,
  'senml+json': SENML.map((pack) => Buffer.from(JSON.stringify(pack))),
  'senml+cbor': [...SENML.map((pack) => Buffer.from(encode(pack))), ...CBOR_BYTES],
  raw: [bytes(1), bytes(1, 2, 3), Buffer.alloc(200_001, 0xff), Buffer.alloc(200_000, 0x7f)],
};

/** Every hostile payload, in the order of the formats. Each is offered to every format. */
export const PAYLOADS: readonly Buffer[] = Object.values(OWN).flat();

import { describe, expect, test } from 'vitest';
import { codeOf, decode } from './support.ts';

const SIZE = 250_000;
const FORMATS = ['json', 'text', 'csv', 'cbor', 'senml+json', 'senml+cbor', 'raw'] as const;

/** Payloads of the largest size a door lets in, each a worst case of some parser. */
const LARGE: Readonly<Record<string, string>> = {
  digits: `${'1'.repeat(SIZE)}x`,
  fraction: `0.${'1'.repeat(SIZE)}`,
  exponent: `1e${'9'.repeat(SIZE)}`,
  quotes: `a\n"${'""'.repeat(SIZE / 2)}`,
  delimiters: ','.repeat(SIZE),
  newlines: '\n'.repeat(SIZE),
  spaces: `${' '.repeat(SIZE)}x`,
  brackets: '['.repeat(SIZE),
  braces: '{"a":'.repeat(SIZE / 5),
  members: `{${Array.from({ length: SIZE / 12 }, (_, i) => `"k${i}":${i}`).join()}}`,
  duplicates: `{${'"a":1,'.repeat(SIZE / 6)}"a":2}`,
  separators: `[{"bn":"a${'-'.repeat(SIZE)}","v":1}]`,
  records: `[${'{"n":"a","v":1},'.repeat(SIZE / 16)}{"n":"a","v":1}]`,
  escapes: `"${'\\u0041'.repeat(SIZE / 6)}"`,
};

describe.each(Object.keys(LARGE))('%s', (name) => {
  test.each(FORMATS)('as %s ends in readings or a coded rejection', (format) => {
    expect(codeOf(() => decode({ decode: format }, LARGE[name]!)) ?? 'DECODE_').toMatch(/^DECODE_/);
    expect(codeOf(() => decode({ decode: format, fields: { a: {} } }, LARGE[name]!)) ?? 'DECODE_').toMatch(
      /^DECODE_/,
    );
  });
});

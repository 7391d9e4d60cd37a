import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asGatewayError, ERROR_CODES, GatewayError } from '../gateway/errors.ts';

const root = join(import.meta.dirname, '..');
const textsOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    // The scripts of the dashboard run in a browser.
    .filter((file) => file.endsWith('.ts') && file !== 'errors.ts' && !file.startsWith('http/web/client'))
    .map((file) => readFileSync(join(root, folder, file), 'utf8'));
const sources = ['gateway', 'adapters', 'deploy'].flatMap(textsOf);

test('every code of the table is used', () => {
  const used = new Set(
    sources.flatMap((text) => [...text.matchAll(/'([A-Z][A-Z_]+)'/g)].map(([, code]) => code)),
  );
  expect(Object.keys(ERROR_CODES).filter((code) => !used.has(code))).toEqual([]);
});

test('every error of the core is coded: nothing throws a bare Error', () => {
  const bare = textsOf('gateway').flatMap((text) => text.match(/throw new Error\([^\n]*/g) ?? []);
  expect(bare).toEqual([]);
});

test('every code tells what to do, in a sentence', () => {
  const advice = Object.entries(ERROR_CODES);
  expect(advice.filter(([, text]) => !/^[A-Z].*[.:`]$/.test(text))).toEqual([]);
});

test('an error carries what came, what was expected and the advice of its code, and a foreign one its cause', () => {
  const error = new GatewayError('STORE_FULL', 'no room', { received: 9, expected: 'at most 8' });
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'STORE_FULL',
    message: 'no room',
    received: 9,
    expected: 'at most 8',
    fix: ERROR_CODES.STORE_FULL,
  });
  const foreign = new RangeError('far away');
  expect(asGatewayError(foreign)).toMatchObject({ code: 'INTERNAL', message: 'far away', cause: foreign });
  expect(asGatewayError('a text')).toMatchObject({ code: 'INTERNAL', message: 'a text' });
  expect(asGatewayError(error)).toBe(error);
});

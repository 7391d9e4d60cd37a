import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compileContracts } from '../../deploy/contracts/compile.ts';

const folder = new URL('../../deploy/contracts/artifacts/', import.meta.url);

test('the committed artefacts are what the sources compile to, without a warning', () => {
  const fresh = compileContracts();
  expect(readdirSync(folder).sort()).toEqual([...fresh.keys()].sort());
  for (const [file, contents] of fresh) expect(readFileSync(new URL(file, folder), 'utf8')).toBe(contents);
});

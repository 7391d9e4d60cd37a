import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { compileContracts } from '../../deploy/contracts/compile.ts';

const shipped = new URL('../../deploy/contracts/artifacts/', import.meta.url);

test('the committed artefacts are what the sources compile to, without a warning', () => {
  const fresh = compileContracts();
  const inFolder = [...fresh.keys()].filter((file) => file.startsWith(shipped.pathname));
  expect(readdirSync(shipped).sort()).toEqual(inFolder.map((file) => basename(file)).sort());
  for (const [file, contents] of fresh) expect(readFileSync(file, 'utf8'), file).toBe(contents);
}, 120_000);

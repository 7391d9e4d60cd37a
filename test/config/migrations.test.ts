import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Migration, migrateFile } from '../../gateway/config/migrations/index.ts';
import { temporaryFolder } from '../support/tmp.ts';

const NOW = Date.UTC(2026, 5, 1);
const steps: Migration[] = [
  {
    from: 1,
    title: 'sensors are called streams',
    migrate: (document) => {
      document.set('streams', document.get('sensors'));
      document.delete('sensors');
    },
  },
  { from: 2, title: 'names are lower case', migrate: (document) => document.set('name', 'plant') },
];

it('takes every step, keeps comments and the old file', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'gateway.yaml');
  const old = '# my plant\nname: Plant # the name\nsensors: [a]\n';
  writeFileSync(file, old);
  const report = migrateFile(file, NOW, steps);
  expect(report.steps).toEqual(['sensors are called streams', 'names are lower case']);
  expect(report.backup).toBe(`${file}.v1.2026-06-01T00-00-00-000Z.bak`);
  expect(readFileSync(report.backup!, 'utf8')).toBe(old);
  const text = readFileSync(file, 'utf8');
  expect(text).toContain('# my plant');
  expect(text).toContain('version: 3');
  expect(text).not.toContain('sensors');
  expect(migrateFile(file, NOW, steps).steps).toEqual([]);
  expect(readdirSync(folder).length).toBe(2);
});

it('starts at the version of the file and leaves newer, broken and current files alone', () => {
  const file = join(temporaryFolder(), 'gateway.yaml');
  writeFileSync(file, 'version: 2\nname: A\n');
  expect(migrateFile(file, NOW, steps).steps).toEqual(['names are lower case']);
  for (const text of ['version: 7\n', 'a: [\n', 'version: one\n', '']) {
    writeFileSync(file, text);
    expect(migrateFile(file, NOW, []).steps).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe(text);
  }
});

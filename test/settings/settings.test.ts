import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { configJsonSchema, type JsonSchema } from '../../gateway/config/json-schema.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { DESCRIPTIONS } from '../../gateway/config/words.ts';
import { changesOf } from '../../gateway/settings/changes.ts';
import { diffLines } from '../../gateway/settings/diff.ts';
import { createSettings } from '../../gateway/settings/index.ts';

const TEXT = `# mine
gateway: { name: plant-7 }
streams:
  - id: a
  - id: b
`;

function setUp(text = TEXT) {
  const folder = mkdtempSync(join(tmpdir(), 'aimx-settings-'));
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, text, { mode: 0o640 });
  const running = parseConfig(TEXT, file).config;
  const saved: string[] = [];
  const settings = createSettings({
    file,
    running,
    models: () => [{ name: 'mlp', version: '1' }],
    saved: (config) => saved.push(config.gateway.name),
  });
  return { folder, file, settings, saved };
}

it('each setting has a title, a description and says whether it needs a restart', () => {
  const seen = new Set<string>();
  const walk = (schema: JsonSchema, path: string): void => {
    for (const one of [schema, ...(schema.anyOf ?? [])]) {
      for (const [key, child] of Object.entries(one.properties ?? {})) {
        const at = path === '' ? key : `${path}.${key}`;
        seen.add(at);
        expect([typeof child.title, typeof child['x-needs-restart']], at).toEqual(['string', 'boolean']);
        expect(child.description ?? '', at).not.toBe('');
        walk(child, at);
      }
      if (one.items) walk(one.items, `${path}[]`);
      if (typeof one.additionalProperties === 'object') walk(one.additionalProperties, `${path}.*`);
    }
  };
  walk(configJsonSchema(), '');
  expect(seen.size).toBeGreaterThan(150);
  expect(Object.keys(DESCRIPTIONS).filter((path) => !seen.has(path))).toEqual([]);
});

it('checks without saving: every error at its line, what changes, and what needs a restart', () => {
  const { settings, file } = setUp();
  const bad = settings.check(
    'gateway: { name: plant-7 }\nstreams:\n  - idd: a\nlisten: { http: { port: "x" } }\n',
  );
  expect(bad).toMatchObject({ valid: false, changes: [], restart: false });
  expect(bad.issues.map(({ line }) => line)).toEqual([3, 3, 4]);
  expect(bad.issues[0]).toMatchObject({
    severity: 'error',
    fix: expect.any(String),
    column: expect.any(Number),
  });
  const good = settings.check(
    TEXT.replace('plant-7 }', 'plant-7, location: { latitude: 1, longitude: 2 } }').replace(
      '  - id: a\n',
      '',
    ),
  );
  expect(good.changes).toMatchObject([
    { path: 'gateway.location', kind: 'added', restart: false },
    { path: 'streams[0]', kind: 'removed', restart: true },
  ]);
  expect([good.valid, good.restart]).toEqual([true, true]);
  expect(good.diff.filter(({ kind }) => kind !== 'same')).toEqual([
    { kind: 'removed', line: 2, text: 'gateway: { name: plant-7 }' },
    { kind: 'added', line: 2, text: 'gateway: { name: plant-7, location: { latitude: 1, longitude: 2 } }' },
    { kind: 'removed', line: 4, text: '  - id: a' },
  ]);
  const unknown = settings.check(
    `${TEXT}pipelines: [{ id: p, from: a, window: { count: 2 }, model: lost }]\n`,
  );
  expect(unknown.issues[0]?.path).toBe('pipelines[0].model');
  expect(readFileSync(file, 'utf8')).toBe(TEXT);
});

it('saves in one step with numbered backups, and never over what others saved meanwhile', () => {
  const { settings, file, folder, saved } = setUp();
  const { etag, text, valid, restartPending } = settings.read();
  expect([text, valid, restartPending]).toEqual([TEXT, true, false]);
  const next = TEXT.replace('id: b', 'id: c');
  const done = settings.save(next, etag);
  expect(done).toMatchObject({ backup: `${file}.1.bak`, restart: true });
  expect(done.changes.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
    'added streams[1]',
    'removed streams[1]',
  ]);
  expect([readFileSync(file, 'utf8'), readFileSync(`${file}.1.bak`, 'utf8')]).toEqual([next, TEXT]);
  expect(settings.read()).toMatchObject({ etag: done.etag, restartPending: true });
  expect(() => settings.save(TEXT, etag)).toThrow(expect.objectContaining({ code: 'SETTINGS_CHANGED' }));
  expect(() => settings.save('streams: 5', done.etag)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
  let last = done.etag;
  for (let n = 0; n < 25; n++) last = settings.save(`${next}# ${n}\n`, last).etag;
  const backups = readdirSync(folder).filter((name) => name.endsWith('.bak'));
  expect(backups).toHaveLength(20);
  expect(backups).toContain('gateway.yaml.26.bak');
  expect(saved).toHaveLength(26);
});

it('shows no credentials in what has changed', () => {
  const of = (url: string) => configSchema.parse({ upstream: [{ id: 'u', mqtt: { url } }] });
  const [change] = changesOf(of('mqtt://a:geheim@one'), of('mqtt://a:hidden@two'));
  expect(JSON.stringify(change)).not.toMatch(/geheim|hidden/);
  expect(change).toMatchObject({ path: 'upstream[0].mqtt.url', restart: true });
});

it('tells lines that differ with three around them, and large changes whole', () => {
  const lines = Array.from({ length: 50 }, (_, n) => `line ${n}`);
  const changed = lines.with(25, 'other');
  expect(diffLines(lines.join('\n'), lines.join('\n'))).toEqual([]);
  expect(diffLines(lines.join('\n'), changed.join('\n')).map(({ line }) => line)).toEqual([
    23, 24, 25, 26, 26, 27, 28, 29,
  ]);
  const large = (seed: string) => Array.from({ length: 3000 }, (_, n) => `${seed}${n}`).join('\n');
  expect(diffLines(large('a'), large('b'))).toHaveLength(6000);
});

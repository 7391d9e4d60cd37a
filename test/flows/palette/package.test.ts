import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../support/gateway-process.ts';

const PALETTE = join(ROOT, 'flows/palette');
const LANGUAGES = ['en-US', 'zh-CN'];
/** Room below a node in the editor. */
const MAX_STATUS = 20;

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly keywords: readonly string[];
  readonly 'node-red': { readonly nodes: Readonly<Record<string, string>> };
}

const text = (...path: string[]): string => readFileSync(join(PALETTE, ...path), 'utf8');
const pack = JSON.parse(text('package.json')) as Package;
const sets = Object.keys(pack['node-red'].nodes);

/** Leaves of a catalogue by their path. */
function leaves(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  return Object.entries(value as object).flatMap(([key, one]) =>
    leaves(one, path === '' ? key : `${path}.${key}`),
  );
}
const catalogue = (language: string, set: string): Map<string, string> =>
  new Map([
    ...leaves(JSON.parse(text('src/locales', language, 'common.json'))),
    ...leaves(JSON.parse(text('src/locales', language, `${set}.json`))),
  ]);

describe('the package', () => {
  it('has a source, a dialog, an icon and both languages for each node, and nothing else', () => {
    expect(sets).toHaveLength(11);
    for (const folder of ['html', 'icons', 'nodes'])
      expect(
        readdirSync(join(PALETTE, 'src', folder))
          .filter((file) => file !== 'common')
          .map((file) => file.replace(/\.\w+$/, ''))
          .sort(),
        folder,
      ).toEqual([...sets].sort());
    for (const language of LANGUAGES)
      expect(readdirSync(join(PALETTE, 'src/locales', language)).sort()).toEqual(
        ['common.json', ...sets.flatMap((set) => [`${set}.html`, `${set}.json`])].sort(),
      );
    expect(Object.keys(pack.dependencies)).toEqual(['mqtt']);
    const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Package;
    expect(pack.dependencies.mqtt).toBe(root.dependencies.mqtt);
  });

  it.each(sets)('%s says the same in both languages, and all that its dialog asks for', (set) => {
    const [english, chinese] = LANGUAGES.map((language) => catalogue(language, set));
    expect([...chinese!.keys()]).toEqual([...english!.keys()]);
    const html = text('src/html', `${set}.html`);
    const asked = [...html.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"/g), ...html.matchAll(/_\('([^']+)'\)/g)];
    for (const [, key] of asked) expect(english!.has(key!), key).toBe(true);
    for (const language of LANGUAGES) {
      const help = text('src/locales', language, `${set}.html`);
      expect(help).toContain(`data-help-name="${set}"`);
      expect(help).toMatch(language === 'en-US' ? /<h3>Details<\/h3>/ : /<h3>详细<\/h3>/);
    }
    expect(html).toContain(`icon: '${set}.svg'`);
  });

  it('has status texts that fit below a node, with their longest numbers', () => {
    for (const language of LANGUAGES)
      for (const set of sets)
        for (const [key, words] of catalogue(language, set)) {
          if (!/\bstatus\b/.test(key)) continue;
          const longest = words.replace(/__(\w+)__/g, (_, name: string) =>
            name === 'ms' ? '299999' : '9999',
          );
          expect(longest.length, `${language} ${key}: ${longest}`).toBeLessThan(MAX_STATUS);
        }
  });

  it('asks for words that there are', () => {
    const nodes = join(PALETTE, 'src/nodes');
    const sources = [nodes, join(nodes, 'common')].flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => file.endsWith('.ts'))
        .map((file) => readFileSync(join(folder, file), 'utf8')),
    );
    const known = catalogue('en-US', 'aimx-window');
    for (const source of sources) {
      for (const [, key] of source.matchAll(/line\.(?:good|bad|waiting)\('([\w-]+)'/g))
        expect(known.has(`common.status.${key}`), key).toBe(true);
      for (const [, key] of source.matchAll(/^ {2}[A-Z_\d]+: '([\w-]+)',$/gm))
        expect(known.has(`common.status.${key}`), key).toBe(true);
    }
  });

  it('brings an example for each node that can be imported', () => {
    const folder = join(PALETTE, 'examples');
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    const flows = files.map(
      (file) =>
        JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
          id: string;
          type: string;
          gateway?: string;
        }[],
    );
    const used = new Set(flows.flat().map(({ type }) => type));
    expect(sets.filter((set) => !used.has(set))).toEqual([]);
    for (const flow of flows) {
      const ids = flow.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const { gateway } of flow) if (gateway !== undefined) expect(ids).toContain(gateway);
    }
    expect(existsSync(join(PALETTE, 'README.md'))).toBe(true);
  });
});

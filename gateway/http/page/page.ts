import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

export interface Page {
  readonly html: string;
  /** JavaScript modules by path below `/page/`. */
  readonly modules: ReadonlyMap<string, string>;
  /** Content security policy: scripts of this server, the page's own style by its hash, and nothing else. */
  readonly csp: string;
}

/** The status page and its modules. Nothing is fetched from elsewhere. */
export function loadPage(): Page {
  const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
  const style = `\n${read('page.css')}`;
  const modules = loadModules();
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('src="/page/main"', `src="/page/main${SUFFIX}"`);
  return {
    html,
    modules,
    csp: [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

/** `.ts` in a checkout, where types are stripped here as Node.js does it for this file; `.js` in a build. */
const SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

function loadModules(): Map<string, string> {
  const folder = new URL('./client/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(SUFFIX));
  const texts = names.map((name) => readFileSync(new URL(name, folder), 'utf8'));
  const scripts = SUFFIX === '.ts' ? quietly(() => texts.map((text) => stripTypeScriptTypes(text))) : texts;
  return new Map(names.map((name, i) => [name, scripts[i]!]));
}

/** Without Node's warning that the function is experimental: what it does is how every file here is run. */
function quietly<T>(work: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
}

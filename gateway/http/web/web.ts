import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the dashboard. Its address holds a hash of them all, so that browsers may keep it for ever. */
export interface WebFile {
  readonly type: string;
  readonly text: string;
  /** Compressed when first asked for. */
  gzipped(): Promise<Buffer>;
}

export interface Web {
  readonly html: string;
  /** By address, beginning with `/web/`. */
  readonly files: ReadonlyMap<string, WebFile>;
  /** Content security policy: scripts of this server, the page's own style by its hash, and nothing else. */
  readonly csp: string;
}

/** `.ts` in a checkout, where types are stripped here as Node.js does it for this file; `.js` in a build. */
const SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const SCRIPT = 'text/javascript; charset=utf-8';

/** Packages that browsers get as they are: name in an import, file in the package, what is added to make it a module. */
const PACKAGES: readonly (readonly [name: string, file: string, end?: string])[] = [
  ['preact', 'preact'],
  ['preact/hooks', 'preact/hooks'],
  ['uplot', 'uplot/dist/uPlot.iife.min.js', '\nexport default uPlot;\n'],
  ['@noble/hashes/sha3.js', '@noble/hashes/sha3.js'],
  ['@noble/hashes/utils.js', '@noble/hashes/utils.js'],
  // Not for everybody to import, but for the first of them.
  ['@noble/hashes/_u64.js', '@noble/hashes/sha3.js:_u64.js'],
];

const STYLES = ['base', 'shell', 'parts', 'controls', 'pages', 'more'];

/** Modules that every page needs: asked for at once instead of one after the other. */
const EAGER = /^(?:main|shell|lib\/.*|ui\/(?:parts|icons|table|spark|use)|lang\/en|pages\/overview)$/;

/** The dashboard: one document, its modules and the packages they use. Nothing is fetched from elsewhere. */
export function loadWeb(): Web {
  const modules = clientModules();
  const packages = PACKAGES.map(([name, file, end = '']) => ({ name, text: packageText(file) + end }));
  const build = createHash('sha256')
    .update(JSON.stringify([...modules, ...packages]))
    .digest('hex')
    .slice(0, 12);
  const base = `/web/${build}`;
  const files = new Map<string, WebFile>();
  for (const [name, text] of modules) files.set(`${base}/${name}${SUFFIX}`, webFile(text));
  for (const { name, text } of packages) files.set(`${base}/${packagePath(name)}`, webFile(text));

  const style = [packageText('uplot/dist/uPlot.min.css'), ...STYLES.map((name) => read(`style/${name}.css`))]
    .map((text) => text.trim())
    .join('\n');
  const imports = JSON.stringify({
    imports: Object.fromEntries(packages.map(({ name }) => [name, `${base}/${packagePath(name)}`])),
  });
  const eager = [...modules.keys()]
    .filter((name) => EAGER.test(name))
    .map((name) => `${base}/${name}${SUFFIX}`);
  const preload = [...eager, `${base}/${packagePath('preact')}`, `${base}/${packagePath('preact/hooks')}`]
    .map((address) => `<link rel="modulepreload" href="${address}">`)
    .join('\n');
  const html = read('index.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace(
      '<script type="importmap"></script>',
      () => `<script type="importmap">${imports}</script>\n${preload}`,
    )
    .replace('src="main"', () => `src="${base}/main${SUFFIX}"`);
  return {
    html,
    files,
    csp: [
      "default-src 'none'",
      `script-src 'self' ${hashOf(imports)}`,
      `style-src ${hashOf(style)}`,
      "connect-src 'self'",
      "img-src 'self' data:",
      "manifest-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

const compress = promisify(gzip);

function webFile(text: string): WebFile {
  let compressed: Promise<Buffer> | undefined;
  return {
    type: SCRIPT,
    text,
    gzipped() {
      compressed ??= compress(text, { level: 9 });
      return compressed;
    },
  };
}

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
/** Text of a file of a package; what follows a colon is a file beside it. */
function packageText(file: string): string {
  const [entry = '', beside = ''] = file.split(':');
  return readFileSync(new URL(beside, import.meta.resolve(entry)), 'utf8').replace(
    /^\/\/# sourceMappingURL=.*$/m,
    '',
  );
}
const packagePath = (name: string): string => `packages/${name.replace(/\.js$/, '')}.js`;
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Modules below `client/` by path without suffix, sorted, ready for a browser. */
function clientModules(): Map<string, string> {
  const folder = new URL('./client/', import.meta.url);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    // Shapes are gone once types are stripped.
    .filter((name) => name.endsWith(SUFFIX) && name !== `types${SUFFIX}`)
    .sort();
  const texts = names.map((name) => readFileSync(new URL(name, folder), 'utf8'));
  const scripts = SUFFIX === '.ts' ? quietly(() => texts.map((text) => stripTypeScriptTypes(text))) : texts;
  return new Map(names.map((name, i) => [name.slice(0, -SUFFIX.length), scripts[i]!]));
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

/**
 * Makes the package: JavaScript in `dist/` (CommonJS, as Node-RED loads it) and `resources/` (modules for the editor),
 * beside it what is no TypeScript. `node build.mts`, or `npm run build`; `npm pack` runs it by itself.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'src');

/** Locales: what a node's catalogue does not say itself it has from `common.json`. */
function writeLocales(nodes: string, sets: readonly string[]): void {
  for (const language of readdirSync(join(source, 'locales'))) {
    const from = join(source, 'locales', language);
    const to = join(nodes, 'locales', language);
    mkdirSync(to, { recursive: true });
    const common = JSON.parse(readFileSync(join(from, 'common.json'), 'utf8')) as object;
    for (const set of sets) {
      const own = JSON.parse(readFileSync(join(from, `${set}.json`), 'utf8')) as object;
      writeFileSync(join(to, `${set}.json`), `${JSON.stringify({ ...common, ...own }, null, 1)}\n`);
      cpSync(join(from, `${set}.html`), join(to, `${set}.html`));
    }
  }
}

function compile(project: string): void {
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the palette does not compile:\n${stdout}`);
}

/** Builds the package in this folder. @throws Error with what the compiler says */
export function buildPalette(): void {
  for (const folder of ['dist', 'resources']) rmSync(join(here, folder), { recursive: true, force: true });
  compile(join(here, 'tsconfig.json'));
  compile(join(source, 'editor/tsconfig.json'));
  const nodes = join(here, 'dist/nodes');
  cpSync(join(source, 'html'), nodes, { recursive: true });
  cpSync(join(source, 'icons'), join(nodes, 'icons'), { recursive: true });
  writeLocales(
    nodes,
    readdirSync(join(source, 'html')).map((file) => file.replace(/\.html$/, '')),
  );
  // Whole solutions come along under Import → Examples.
  const solutions = join(here, 'examples/solutions');
  rmSync(solutions, { recursive: true, force: true });
  cpSync(join(here, '../examples'), solutions, { recursive: true, filter: (file) => !file.endsWith('.md') });
  const licence = join(here, '../../LICENSE');
  if (existsSync(licence)) cpSync(licence, join(here, 'LICENSE'));
}

function isStale(): boolean {
  const marker = join(here, 'resources/editor.js');
  if (!existsSync(marker) || !existsSync(join(here, 'dist/nodes/locales'))) return true;
  const built = statSync(marker).mtimeMs;
  return readdirSync(source, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && statSync(join(entry.parentPath, entry.name)).mtimeMs > built,
  );
}

const LOCK_MS = 60_000;

/** One of several processes builds, the others wait for it. @param work runs when this process has the lock */
function locked(work: () => void): void {
  const lock = join(here, '.building');
  const until = Date.now() + LOCK_MS;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      // Who held it that long has died.
      if (Date.now() > until) rmSync(lock, { recursive: true, force: true });
      else if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Builds it unless what is there is newer than every source. For a checkout; packages bring it built. */
export function ensurePalette(): void {
  if (existsSync(source) && isStale())
    locked(() => {
      if (isStale()) buildPalette();
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildPalette();

/**
 * `npm run build`: JavaScript for packages and images, in `dist/` with the same tree. What is not TypeScript but read
 * at run time (model bundles, contract artefacts, the demo's configuration) is copied beside it.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPalette } from '../flows/palette/build.mts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const SOURCES = ['gateway', 'adapters', 'models', 'deploy/contracts', 'deploy/demo'];

rmSync(dist, { recursive: true, force: true });
const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
const page = join(root, 'gateway/http/web/client');
const inDist = ['--noEmit', 'false', '--rootDir', root, '--outDir', dist];
for (const words of [
  ['-p', join(root, 'deploy/tsconfig.build.json')],
  ['-p', page, ...inDist],
]) {
  const compiled = spawnSync(process.execPath, [compiler, ...words], { stdio: 'inherit' });
  if (compiled.status !== 0) process.exit(compiled.status ?? 1);
}

for (const folder of SOURCES) {
  cpSync(join(root, folder), join(dist, folder), {
    recursive: true,
    filter: (source) => !/\.(ts|md|sol)$|tsconfig\.json$/.test(source),
  });
}
cpSync(join(root, 'package.json'), join(dist, 'package.json'));

// The nodes of the flow editor are a package of their own.
buildPalette();
for (const part of ['package.json', 'dist', 'resources', 'examples'])
  cpSync(join(root, 'flows/palette', part), join(dist, 'flows/palette', part), { recursive: true });

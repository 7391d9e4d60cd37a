import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BUILD_LIMIT_MS = 120_000;

/**
 * Folder of the nodes that come with the gateway; null where they are not there. A package has them built; in a checkout
 * they are built first, in a process of its own.
 * @param warn told when that fails; what an earlier build left is then used
 */
export async function paletteFolder(warn: (text: string) => void): Promise<string | null> {
  const folder = fileURLToPath(new URL('../../flows/palette', import.meta.url));
  const recipe = new URL('../../flows/palette/build.mts', import.meta.url);
  if (existsSync(recipe)) {
    const failure = await built(recipe.href);
    if (failure !== null) warn(`flows: the nodes of the palette could not be built, going on: ${failure}`);
  }
  return existsSync(`${folder}/dist/nodes`) ? folder : null;
}

/** Builds it unless it is built. Answers what went wrong, null when nothing did. */
function built(recipe: string): Promise<string | null> {
  const code = `(await import(${JSON.stringify(recipe)})).ensurePalette()`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_LIMIT_MS,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1000);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => resolve(code === 0 ? null : said.trim()));
  });
}

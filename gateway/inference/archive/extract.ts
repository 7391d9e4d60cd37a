import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Budget, safePath, wrong } from './limits.ts';
import { tarFiles } from './tar.ts';
import { zipFiles } from './zip.ts';

const ZIP = /\.zip$/i;
const TAR = /\.(?:tar|tgz|tar\.gz)$/i;

/** Whether a file is taken for an archive, by its name. */
export const isArchive = (file: string): boolean => ZIP.test(file) || TAR.test(file);

/**
 * Unpacks an archive below a folder, which is made: plain files with paths inside it, bounded in number and size.
 * Rejects with MODEL_ARCHIVE; what was unpacked until then stays.
 * @returns the folder that holds the bundle: the one below where everything lies in one folder
 */
export async function extract(archive: string, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const budget = new Budget(statSync(archive).size);
  for await (const { name, content } of ZIP.test(archive) ? zipFiles(archive) : tarFiles(archive)) {
    const path = safePath(name);
    if (path === '') throw wrong('an entry has no name');
    budget.file(path);
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    const handle = await open(target, 'wx', 0o644);
    try {
      for await (const chunk of content) {
        budget.bytes(chunk.length);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
  }
  return rootOf(folder);
}

function rootOf(folder: string): string {
  if (existsSync(join(folder, 'model.yaml'))) return folder;
  const [only, ...more] = readdirSync(folder, { withFileTypes: true });
  return only?.isDirectory() && more.length === 0 ? rootOf(join(folder, only.name)) : folder;
}

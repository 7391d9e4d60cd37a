import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** Folder of real inputs that are not part of this project; null (with a plain message) when it is absent. */
export function testData(...parts: string[]): string | null {
  const root = resolve(process.env.AIMX_TEST_DATA ?? '../shared/data');
  const path = resolve(root, ...parts);
  if (existsSync(path)) return path;
  console.warn(`skipped: no test data at ${path} (set AIMX_TEST_DATA to the folder that holds it)`);
  return null;
}

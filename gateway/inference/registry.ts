import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { asGatewayError, GatewayError } from '../errors.ts';
import { type Bundle, readBundle } from './bundle.ts';

/** Most bundles that are looked at in all folders together. */
const MAX_BUNDLES = 1000;

/** What was found in the model folders. */
export interface Scan {
  readonly bundles: readonly Bundle[];
  /** Folders whose manifest is not valid. */
  readonly broken: readonly { readonly folder: string; readonly error: GatewayError }[];
}

/** Reads the manifest of every sub-folder. Folders that do not exist are empty; the first of equal bundles counts. */
export function scanBundles(modelDirs: readonly string[]): Scan {
  const bundles = new Map<string, Bundle>();
  const broken: { folder: string; error: GatewayError }[] = [];
  for (const dir of modelDirs) {
    for (const folder of bundleFolders(dir)) {
      if (bundles.size + broken.length >= MAX_BUNDLES) return { bundles: [...bundles.values()], broken };
      try {
        const bundle = readBundle(folder);
        const key = `${bundle.manifest.name}@${bundle.manifest.version}`;
        if (!bundles.has(key)) bundles.set(key, bundle);
      } catch (error) {
        broken.push({ folder, error: asGatewayError(error) });
      }
    }
  }
  return { bundles: [...bundles.values()], broken };
}

/** Sub-folders with a `model.yaml`. Names with a leading dot are half-done copies. */
function bundleFolders(dir: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dir, { withFileTypes: true })
      .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new GatewayError('MODEL_FILE', `${dir}: ${asGatewayError(error).message}`, { cause: error });
  }
  return names.map((name) => join(dir, name)).filter((folder) => hasManifest(folder));
}

function hasManifest(folder: string): boolean {
  try {
    return readdirSync(folder).includes('model.yaml');
  } catch {
    // A file, or a link to nothing: not a bundle, and not ours to complain about.
    return false;
  }
}

/** Negative when `a` is lower: numbers in dotted parts by value, other parts by letter, pre-releases before releases. */
export function compareVersions(a: string, b: string): number {
  const [mainA, preA] = split(a);
  const [mainB, preB] = split(b);
  const main = compareParts(mainA, mainB);
  if (main !== 0) return main;
  if (preA === undefined || preB === undefined)
    return (preA === undefined ? 1 : 0) - (preB === undefined ? 1 : 0);
  return compareParts(preA, preB);
}

function split(version: string): [string, string | undefined] {
  const plain = version.split('+')[0]!;
  const dash = plain.indexOf('-');
  return dash < 0 ? [plain, undefined] : [plain.slice(0, dash), plain.slice(dash + 1)];
}

function compareParts(a: string, b: string): number {
  const partsA = a.split('.');
  const partsB = b.split('.');
  for (let i = 0; i < Math.max(partsA.length, partsB.length); i++) {
    const x = partsA[i] ?? '0';
    const y = partsB[i] ?? '0';
    const numeric = /^\d+$/.test(x) && /^\d+$/.test(y);
    const order = numeric ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
    if (order !== 0) return order;
  }
  return 0;
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { InstalledModel } from '../config/rules/draft.ts';
import { readYaml } from '../config/source.ts';
import { asGatewayError, type GatewayError } from '../errors.ts';
import { packageRoot } from '../system/version.ts';

/** Folder of the bundles that come with the gateway. */
export const bundledModels = (): string => join(packageRoot(), 'models');

/** Folders that hold bundles, the gateway's own first; those that do not exist are left out. */
export function modelFolders(installed: string): string[] {
  return [bundledModels(), installed].filter((folder) => existsSync(folder));
}

/** Bundles that a configuration can refer to. */
export interface InstalledModels {
  /** Undefined when there are none at all: then references are only checked for their form. */
  readonly models: readonly InstalledModel[] | undefined;
  /** Why a folder with a manifest is no usable bundle. */
  readonly broken: readonly GatewayError[];
}

/** Finds the bundles for checking the references of a configuration, which may itself be invalid. */
export async function installedModels(configFile: string): Promise<InstalledModels> {
  const { readBundle } = await import('../inference/bundle.ts');
  const models: InstalledModel[] = [];
  const broken: GatewayError[] = [];
  for (const folder of modelFolders(modelsFolderOf(configFile))) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || !existsSync(join(folder, entry.name, 'model.yaml'))) continue;
      try {
        const { manifest } = readBundle(join(folder, entry.name));
        models.push({ name: manifest.name, version: manifest.version });
      } catch (error) {
        broken.push(asGatewayError(error));
      }
    }
  }
  return { models: models.length === 0 ? undefined : models, broken };
}

/** `models.dir`, or its default below `gateway.dataDir`, as far as the file tells. */
function modelsFolderOf(configFile: string): string {
  if (!existsSync(configFile)) return '';
  const { at } = readYaml(readFileSync(configFile, 'utf8'), configFile);
  const dir = at(['models', 'dir']);
  const dataDir = at(['gateway', 'dataDir']);
  const folder =
    typeof dir === 'string' ? dir : join(typeof dataDir === 'string' ? dataDir : 'data', 'models');
  return resolve(dirname(configFile), folder);
}

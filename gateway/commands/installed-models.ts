import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { InstalledModel } from '../config/rules/draft.ts';
import { readYaml } from '../config/source.ts';
import type { GatewayError } from '../errors.ts';
import { bundledModels } from '../system/version.ts';

/** Bundles that a configuration can refer to. */
export interface InstalledModels {
  /** Undefined when there are none at all: then references are only checked for their form. */
  readonly models: readonly InstalledModel[] | undefined;
  /** Why a folder with a manifest is no usable bundle. */
  readonly broken: readonly GatewayError[];
}

/** Finds the bundles for checking the references of a configuration, which may itself be invalid. */
export async function installedModels(configFile: string): Promise<InstalledModels> {
  const { scanBundles } = await import('../inference/registry.ts');
  const { bundles, broken } = scanBundles([bundledModels(), modelsFolderOf(configFile)]);
  const models = bundles.map(({ manifest }) => ({ name: manifest.name, version: manifest.version }));
  return { models: models.length === 0 ? undefined : models, broken: broken.map(({ error }) => error) };
}

/** `models.dir`, or its default below `gateway.dataDir`, as far as the file tells. */
function modelsFolderOf(configFile: string): string {
  const { at } = readYaml(existsSync(configFile) ? readFileSync(configFile, 'utf8') : '', configFile);
  const dir = at(['models', 'dir']);
  const dataDir = at(['gateway', 'dataDir']);
  const folder =
    typeof dir === 'string' ? dir : join(typeof dataDir === 'string' ? dataDir : 'data', 'models');
  return resolve(dirname(configFile), folder);
}

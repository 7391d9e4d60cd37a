import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GatewayError } from '../../errors.ts';
import { type Bundle, verifyHash } from '../../inference/bundle.ts';

/**
 * Copies a bundle into the folder of installed models in one step: into a hidden folder, checked there, then renamed.
 * @param check says why the copy does not work on this machine, null when it does; gets the folder that holds the copy
 * @returns the folder of the installed bundle
 * @throws GatewayError MODEL_FILE, MODEL_CHECKSUM, MODEL_GOLDEN
 */
export async function addModel(
  bundle: Bundle,
  folder: string,
  check: (parent: string) => Promise<string | null>,
): Promise<string> {
  await verifyHash(bundle);
  const { name, version } = bundle.manifest;
  const target = join(folder, `${name}@${version}`);
  if (existsSync(target)) {
    throw new GatewayError('MODEL_FILE', `${name}@${version} is installed already`, {
      received: target,
      expected: 'a version that is not installed',
      fix: 'Give the bundle a new version in its model.yaml.',
    });
  }
  // A name with a leading dot is no bundle to those who scan the folder.
  const staging = join(folder, `.adding-${process.pid}`);
  const copy = join(staging, basename(target));
  mkdirSync(staging, { recursive: true });
  try {
    cpSync(bundle.folder, copy, {
      recursive: true,
      dereference: true,
      filter: (source) => !source.endsWith('.ts'),
    });
    const problem = await check(staging);
    if (problem !== null) throw new GatewayError('MODEL_GOLDEN', problem);
    renameSync(copy, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return target;
}

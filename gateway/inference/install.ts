import { randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { asGatewayError, GatewayError } from '../errors.ts';
import { extract, isArchive } from './archive/extract.ts';
import { MAX_BUNDLE_BYTES, MAX_FILES } from './archive/limits.ts';
import { hashFile } from './bundle.ts';
import { deriveManifest } from './derive.ts';
import { Footprints } from './footprints.ts';
import { recordSample } from './record.ts';
import { inspectModel, type Verified, type VerifyOptions, verifyBundle } from './verify.ts';

export interface AddOptions extends VerifyOptions {
  /** `name@version` of models in other folders, which would hide this one. */
  readonly taken?: ReadonlySet<string>;
}

export interface Added extends Verified {
  /** Whether its golden sample was recorded here, from a bare model file, so that it vouches for nothing. */
  readonly recorded: boolean;
}

const KINDS =
  'a bundle folder (with model.yaml), an archive of one (.tar.gz, .tgz, .tar, .zip) or an .onnx file';

/** Begins the names of folders in which bundles are put together: with a dot, so that nobody takes them for bundles. */
const STAGING = '.adding-';

/**
 * Installs a bundle folder, an archive of one, or a bare `.onnx` file with a manifest derived from what the file says of
 * itself, below `modelsDir` as `<name>-<version>`. It is put together beside its place, checked there as before
 * serving, synced and renamed, so that a half-done or wrong bundle is never seen. Rejects with a coded error; nothing is
 * left then.
 */
export async function addBundle(source: string, modelsDir: string, options: AddOptions): Promise<Added> {
  const from = resolve(source);
  if (!existsSync(from))
    throw new GatewayError('MODEL_FILE', `${from}: there is no such file or folder`, {
      fix: `Name ${KINDS}.`,
    });
  const staging = join(modelsDir, `${STAGING}${process.pid}-${randomUUID()}`);
  try {
    mkdirSync(modelsDir, { recursive: true });
    removeLeftovers(modelsDir);
    const { folder, recorded } = await gathered(from, staging, options);
    const verified = await verifyBundle(folder, options);
    const { name, version } = verified.bundle.manifest;
    const target = join(modelsDir, `${name}-${version}`);
    if (existsSync(target) || options.taken?.has(`${name}@${version}`))
      throw new GatewayError('MODEL_FILE', `${name}@${version} is installed already`, {
        fix: 'Give the bundle another version (model.yaml) or the bare file another name, or remove the installed one.',
      });
    await syncTree(verified.bundle.folder);
    renameSync(verified.bundle.folder, target);
    rmSync(staging, { recursive: true, force: true });
    await syncPath(modelsDir);
    if (verified.footprint) new Footprints(modelsDir, options.log).note(verified.bundle, verified.footprint);
    const modelFile = join(target, verified.bundle.manifest.file);
    return { ...verified, recorded, bundle: { ...verified.bundle, folder: target, modelFile } };
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('MODEL_FILE', `${from}: ${asGatewayError(error).message}`, { cause: error });
  }
}

/** Puts a source into the staging folder; answers where the bundle is in it. */
async function gathered(
  from: string,
  staging: string,
  options: VerifyOptions,
): Promise<{ folder: string; recorded: boolean }> {
  if (statSync(from).isDirectory()) {
    await copyFolder(from, staging);
    return { folder: staging, recorded: false };
  }
  if (!isArchive(from)) return { folder: staging, recorded: await wrapModel(from, staging, options) };
  const folder = await extract(from, staging);
  const [bare, ...more] = existsSync(join(folder, 'model.yaml'))
    ? []
    : readdirSync(folder).filter((name) => name.endsWith('.onnx'));
  if (bare === undefined || more.length > 0) return { folder, recorded: false };
  const inner = join(staging, `${STAGING}bare`);
  return { folder: inner, recorded: await wrapModel(join(folder, bare), inner, options) };
}

/** What a process that was killed has left. */
function removeLeftovers(modelsDir: string): void {
  for (const name of readdirSync(modelsDir)) {
    const pid = name.startsWith(STAGING) ? Number(name.slice(STAGING.length).split('-')[0]) : 0;
    if (pid > 0 && pid !== process.pid && !runs(pid))
      rmSync(join(modelsDir, name), { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process runs, too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  let bytes = 0;
  let files = 0;
  for (const entry of await readdir(from, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    files++;
    bytes += statSync(join(entry.parentPath, entry.name)).size;
    if (files > MAX_FILES || bytes > MAX_BUNDLE_BYTES)
      throw new GatewayError(
        'MODEL_FILE',
        `${from}: more than ${MAX_FILES} files or ${MAX_BUNDLE_BYTES} bytes`,
      );
  }
  // Links could lead out of the folder, so they are left out.
  cpSync(from, to, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
}

/** A bundle folder around a bare model file; answers whether it has a golden sample that the model itself answered. */
async function wrapModel(file: string, folder: string, options: VerifyOptions): Promise<boolean> {
  if (!file.endsWith('.onnx'))
    throw new GatewayError('MODEL_FILE', `${file}: this is no bundle`, { fix: `Name ${KINDS}.` });
  const { inputs, outputs } = await inspectModel(file, 'onnx', options);
  const manifest = deriveManifest(file, inputs, outputs, await hashFile(file));
  mkdirSync(folder, { recursive: true });
  cpSync(file, join(folder, 'model.onnx'));
  writeFileSync(join(folder, 'model.yaml'), stringify(manifest));
  const { recorded, independent } = await recordSample(folder, options);
  // Rows of different callers would change each other's answers.
  if (independent === false)
    writeFileSync(join(folder, 'model.yaml'), stringify({ ...manifest, limits: { maxBatch: 1 } }));
  return recorded;
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    await syncPath(join(entry.parentPath, entry.name));
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

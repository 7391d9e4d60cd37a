import { randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { TensorSpec } from '../ports/tensor.ts';
import { hashFile } from './bundle.ts';
import { inspectModel, type Verified, type VerifyOptions, verifyBundle } from './verify.ts';

/** Larger bundles are refused: this is a small machine. */
const MAX_BUNDLE_BYTES = 2 * 1024 ** 3;
const MAX_FILES = 1000;

/**
 * Installs a bundle folder, or a bare `.onnx` file with a manifest derived from what the file says of itself, below
 * `modelsDir` as `<name>-<version>`. It is copied beside its place, checked there as before serving, synced and
 * renamed, so that a half-done or wrong bundle is never seen. Rejects with a coded error; nothing is left then.
 * @param options.taken `name@version` of models in other folders, which would hide this one
 */
export async function addBundle(
  source: string,
  modelsDir: string,
  options: VerifyOptions & { readonly taken?: ReadonlySet<string> },
): Promise<Verified> {
  const from = resolve(source);
  if (!existsSync(from))
    throw new GatewayError('MODEL_FILE', `${from}: there is no such file or folder`, {
      fix: 'Name a bundle folder (with model.yaml) or an .onnx file.',
    });
  const staging = join(modelsDir, `.${randomUUID()}`);
  try {
    mkdirSync(modelsDir, { recursive: true });
    if (statSync(from).isDirectory()) await copyFolder(from, staging);
    else await wrapModel(from, staging, options);
    const verified = await verifyBundle(staging, options);
    const { name, version } = verified.bundle.manifest;
    const target = join(modelsDir, `${name}-${version}`);
    if (existsSync(target) || options.taken?.has(`${name}@${version}`))
      throw new GatewayError('MODEL_FILE', `${name}@${version} is installed already`, {
        fix: 'Give the bundle another version (model.yaml) or the bare file another name, or remove the installed one.',
      });
    await syncTree(staging);
    renameSync(staging, target);
    await syncPath(modelsDir);
    const modelFile = join(target, verified.bundle.manifest.file);
    return { ...verified, bundle: { ...verified.bundle, folder: target, modelFile } };
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('MODEL_FILE', `${from}: ${asGatewayError(error).message}`, { cause: error });
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

/** A bundle folder around a bare model file. */
async function wrapModel(file: string, folder: string, options: VerifyOptions): Promise<void> {
  if (!file.endsWith('.onnx'))
    throw new GatewayError('MODEL_FILE', `${file}: neither a bundle folder nor an .onnx file`, {
      fix: 'Name a bundle folder (with model.yaml) or an .onnx file.',
    });
  const { inputs, outputs } = await inspectModel(file, 'onnx', options);
  const manifest = deriveManifest(file, inputs, outputs, await hashFile(file));
  mkdirSync(folder, { recursive: true });
  cpSync(file, join(folder, 'model.onnx'));
  writeFileSync(join(folder, 'model.yaml'), stringify(manifest));
}

/**
 * What a model file says of itself as a manifest. Throws MODEL_MANIFEST when that is not enough: more than one input,
 * or a window of more than two dimensions.
 */
export function deriveManifest(
  file: string,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  sha256: string,
): Record<string, unknown> {
  const [input] = inputs;
  const fix = 'Write a model.yaml beside the file and add the folder.';
  if (inputs.length !== 1 || !input)
    throw new GatewayError('MODEL_MANIFEST', `${file}: ${inputs.length} inputs, one is expected`, { fix });
  const [, ...dims] = input.shape;
  if (dims.length === 0 || dims.length > 2)
    throw new GatewayError(
      'MODEL_MANIFEST',
      `${file}: input "${input.name}" has shape [${input.shape.join(', ')}]`,
      {
        expected: '[batch, rows] or [batch, rows, columns]',
        fix,
      },
    );
  const [rows, columns = 1] = dims;
  if (columns < 1)
    throw new GatewayError('MODEL_MANIFEST', `${file}: input "${input.name}" leaves its columns open`, {
      fix,
    });
  const unknown = 'unknown: installed from a bare model file';
  return {
    name: nameOf(file),
    version: '1',
    runtime: 'onnx',
    file: 'model.onnx',
    sha256,
    features: columns === 1 ? [] : Array.from({ length: columns }, (_, i) => `column${i + 1}`),
    ...(rows! > 0 ? { rows } : {}),
    inputs: [{ ...input, from: 'window' }],
    outputs: outputs.map((output) => ({
      ...output,
      ...(output.datatype === 'BYTES' ? {} : { as: keyOf(output.name) }),
    })),
    card: {
      intendedUse: unknown,
      limits: unknown,
      trainingData: unknown,
      licence: unknown,
      source: basename(file),
    },
  };
}

/** From the file's name, or its folder's where the file has the name that everybody gives. */
const nameOf = (file: string): string =>
  (basename(file) === 'model.onnx' ? basename(dirname(resolve(file))) : basename(file, '.onnx'))
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64) || 'model';

const keyOf = (name: string): string => {
  const key = name.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 63);
  return /^[A-Za-z_]/.test(key) ? key : `_${key}`;
};

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

import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LineCounter, parseDocument } from 'yaml';
import { asGatewayError, GatewayError } from '../errors.ts';
import { withRemembered } from './graph/plan.ts';
import { type Manifest, manifestSchema } from './manifest.ts';
import { checkManifest } from './manifest-checks.ts';
import { filesOf, settleFiles } from './manifest-files.ts';
import { readModelJson, shardsOf } from './runners/tfjs/artifacts.ts';

/** Larger manifests and golden files are not read. */
export const MAX_TEXT_BYTES = 8 * 1024 * 1024;

/** A bundle folder whose manifest is valid. Its model file has not been looked at yet. */
export interface Bundle {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Absolute path of the model file. */
  readonly modelFile: string;
}

/** Reads and checks `model.yaml` of a folder. Throws MODEL_MANIFEST, naming the file and each wrong key. */
export function readBundle(folder: string): Bundle {
  const file = join(folder, 'model.yaml');
  const manifest = parseManifest(readText(file, 'MODEL_MANIFEST'), file);
  return { folder, manifest, modelFile: join(folder, manifest.file) };
}

/** Parses the text of a manifest; `file` is what messages call it. Throws MODEL_MANIFEST. */
export function parseManifest(text: string, file: string): Manifest {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const syntax = document.errors[0];
  if (syntax) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    throw new GatewayError('MODEL_MANIFEST', `${file}:${line}:${col}: ${syntax.message.split('\n')[0]}`);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new GatewayError('MODEL_MANIFEST', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
  const parsed = manifestSchema.safeParse(value);
  const manifest = parsed.success ? settleFiles(parsed.data, text) : undefined;
  const issues = manifest
    ? checkManifest(manifest).map((issue) => `${issue.key}: ${issue.message}`)
    : parsed.error!.issues.map((issue) => `${keyOf(issue.path)}: ${issue.message}`);
  if (manifest && issues.length === 0) return withRemembered(manifest);
  throw new GatewayError('MODEL_MANIFEST', issues.map((issue) => `${file}: ${issue}`).join('\n'));
}

/** `inputs[0].shape` for `['inputs', 0, 'shape']`. */
export function keyOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(document)';
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part),
    '',
  );
}

/** Hex SHA-256 of a file, read in pieces. Rejects with MODEL_FILE. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    throw new GatewayError('MODEL_FILE', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
  return hash.digest('hex');
}

/** Rejects with MODEL_FILE or MODEL_CHECKSUM unless every file of the bundle is the one the manifest names. */
export async function verifyHash(bundle: Bundle): Promise<void> {
  for (const { file, sha256: expected } of filesOf(bundle.manifest)) {
    const path = join(bundle.folder, file);
    const found = await hashFile(path);
    if (found === expected) continue;
    throw new GatewayError('MODEL_CHECKSUM', `${path}: sha256 is ${found}, model.yaml says ${expected}`, {
      received: found,
      expected,
    });
  }
  checkListed(bundle);
}

/** Weights that a `model.json` names but the manifest does not would be whatever lies there. Throws MODEL_CHECKSUM. */
function checkListed({ folder, manifest }: Bundle): void {
  const { runtime, file, files, graph } = manifest;
  const models = (graph ?? []).flatMap((node) =>
    node.kind === 'model' && node.runtime === 'tfjs' ? [node.model] : [],
  );
  for (const model of runtime === 'tfjs' ? [file, ...models] : models) {
    const shards = shardsOf(readModelJson(join(folder, model)));
    const missing = shards.find((shard) => !files.some((one) => one.file === shard));
    if (missing === undefined) continue;
    throw new GatewayError(
      'MODEL_CHECKSUM',
      `${join(folder, model)}: \`files\` of model.yaml lacks ${missing}`,
      {
        fix: 'List every weight file under `files` with its sha256.',
      },
    );
  }
}

/** A small text file; larger ones are refused with `code`. */
export function readText(file: string, code: 'MODEL_MANIFEST' | 'MODEL_GOLDEN'): string {
  try {
    const { size } = statSync(file);
    if (size <= MAX_TEXT_BYTES) return readFileSync(file, 'utf8');
    throw new GatewayError(code, `${file}: ${size} bytes, at most ${MAX_TEXT_BYTES} are read`);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError(code, `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
}

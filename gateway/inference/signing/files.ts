import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { blake3 } from '@noble/hashes/blake3.js';
import { asGatewayError, GatewayError } from '../../errors.ts';

/** Name of the signature in a bundle folder; it is no part of what is signed. */
export const SIGNATURE_FILE = 'model.sig';

/** What version control leaves at the top of a folder, never part of a model (OMS v1.0 §6.2). */
export const LEFT_OUT: readonly string[] = ['.git', '.gitattributes', '.github', '.gitignore'];

export type HashType = 'sha256' | 'blake2b' | 'blake3';

/** More files than any bundle has. */
const MAX_FILES = 10_000;

/**
 * Paths of all regular files of a folder, relative, with `/`, in the order of their code points; without the signature
 * and what is left out. Rejects with MODEL_SIGNATURE for links: they could lead anywhere.
 */
export async function filesOf(folder: string, ignored: readonly string[] = []): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (path === SIGNATURE_FILE || covers(LEFT_OUT, path) || covers(ignored, path)) continue;
    if (entry.isDirectory()) continue;
    if (!entry.isFile())
      throw new GatewayError('MODEL_SIGNATURE', `${path} is a link or a device, which nobody can sign`);
    if (!path.isWellFormed() || path.includes('\uFFFD'))
      throw new GatewayError('MODEL_SIGNATURE', `${path}: its name is not UTF-8`);
    found.push(path);
    if (found.length > MAX_FILES)
      throw new GatewayError('MODEL_SIGNATURE', `${folder}: more than ${MAX_FILES} files`);
  }
  return found.sort(byCodePoint);
}

/** Whether a list of paths names this one or a folder that holds it. */
export const covers = (list: readonly string[], path: string): boolean =>
  list.some((entry) => {
    const plain = entry.replace(/^\.\//, '').replace(/\/+$/, '');
    return plain !== '' && (path === plain || path.startsWith(`${plain}/`));
  });

/** UTF-8 bytes sort as code points do; UTF-16 units do not. */
export const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Hex digest of a part of a file, read in pieces. Rejects with MODEL_FILE. */
export async function digestOf(
  file: string,
  type: HashType,
  range?: { readonly start: number; readonly end: number },
): Promise<string> {
  const hash = hasher(type);
  // An empty range cannot be asked of a stream.
  if (range && range.end <= range.start) return hash.digest();
  try {
    const stream = createReadStream(file, range ? { start: range.start, end: range.end - 1 } : {});
    for await (const chunk of stream) hash.update(chunk as Buffer);
  } catch (error) {
    throw new GatewayError('MODEL_FILE', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
  return hash.digest();
}

export async function sizeOf(file: string): Promise<number> {
  return (await lstat(file)).size;
}

function hasher(type: HashType): { update(chunk: Uint8Array): void; digest(): string } {
  if (type === 'blake3') {
    const hash = blake3.create();
    return {
      update: (chunk) => void hash.update(chunk),
      digest: () => Buffer.from(hash.digest()).toString('hex'),
    };
  }
  const hash: Hash = createHash(type === 'sha256' ? 'sha256' : 'blake2b512');
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest('hex') };
}

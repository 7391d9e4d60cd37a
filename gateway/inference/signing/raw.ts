import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { GatewayError } from '../../errors.ts';
import { digestOf, filesOf } from './files.ts';
import { signWith, type TrustedKey, verifyWith } from './keys.ts';

/**
 * The short form of `model.sig`: an Ed25519 signature, in base64, over the lines that `sha256sum` prints for every file
 * of the folder in the order of their names:
 *
 *     <64 hexadecimal digits>  <path>\n
 */
const SIGNATURE_BYTES = 64;

/** Rejects with MODEL_SIGNER when none of the keys made the signature, or a file was changed: the two look alike. */
export async function verifyRaw(
  text: string,
  folder: string,
  keys: readonly TrustedKey[],
): Promise<{ readonly key: TrustedKey; readonly files: readonly string[] }> {
  const plain = text.trim();
  const signature = Buffer.from(plain, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(plain) || signature.length !== SIGNATURE_BYTES)
    throw new GatewayError(
      'MODEL_SIGNATURE',
      'model.sig is neither a bundle nor an Ed25519 signature in base64',
    );
  const files = await filesOf(folder);
  const message = await linesOf(folder, files);
  const key = keys.find(
    (candidate) =>
      candidate.key.asymmetricKeyType === 'ed25519' && verifyWith(candidate.key, message, signature),
  );
  if (key) return { key, files };
  throw new GatewayError(
    'MODEL_SIGNER',
    'the Ed25519 signature was made by a key that is not trusted here, or for other files',
    { expected: keys.map(({ name }) => name).join(', ') || 'a key of models.trustedKeys, which is empty' },
  );
}

/** The text of a signature over every file of a folder. Rejects with MODEL_KEY for another kind of key. */
export async function signRaw(folder: string, key: KeyObject): Promise<string> {
  if (key.asymmetricKeyType !== 'ed25519')
    throw new GatewayError('MODEL_KEY', 'a raw signature needs an Ed25519 key', {
      received: key.asymmetricKeyType,
    });
  return `${signWith(key, await linesOf(folder, await filesOf(folder))).toString('base64')}\n`;
}

async function linesOf(folder: string, files: readonly string[]): Promise<Buffer> {
  const lines: string[] = [];
  for (const file of files) lines.push(`${await digestOf(join(folder, file), 'sha256')}  ${file}\n`);
  return Buffer.from(lines.join(''));
}

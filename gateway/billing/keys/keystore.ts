import { createCipheriv, createDecipheriv, randomBytes, randomUUID, scrypt } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { Signer } from '../../ports/chain.ts';
import { fromHex, keccak, sameBytes } from '../formats/bytes.ts';
import { deviceSigner } from './device-key.ts';

/** Device keys at rest: Ethereum keystore V3 (Web3 Secret Storage): scrypt, AES-128-CTR, Keccak MAC. */

const hex = (bytes?: number) =>
  z.string().regex(bytes ? new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`) : /^([0-9a-fA-F]{2})+$/);
const keystoreSchema = z.looseObject({
  version: z.literal(3),
  address: z.string(),
  crypto: z.looseObject({
    cipher: z.literal('aes-128-ctr'),
    ciphertext: hex(32),
    cipherparams: z.looseObject({ iv: hex(16) }),
    kdf: z.literal('scrypt'),
    kdfparams: z.looseObject({
      n: z.number().int().min(2).max(262_144),
      r: z.number().int().min(1).max(16),
      p: z.number().int().min(1).max(16),
      dklen: z.literal(32),
      salt: hex(),
    }),
    mac: hex(32),
  }),
});

/** 16 MiB and some 50 ms: the passphrases made here have 256 random bits, so stretching adds little. */
const OWN_SCRYPT = { n: 16_384, r: 8, p: 1 };

export interface KeystorePaths {
  readonly keystore: string;
  readonly passphraseFile: string;
}

/**
 * Makes a new key: `<name>.json` and the random `passphrase` beside it, both 0400. Keeps what is there; keys in one
 * folder share the passphrase. Answers the paths.
 */
export async function createKeystore(dir: string, name = 'device'): Promise<KeystorePaths> {
  const paths = { keystore: join(dir, `${name}.json`), passphraseFile: join(dir, 'passphrase') };
  if (existsSync(paths.keystore) && existsSync(paths.passphraseFile)) return paths;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const passphrase = existsSync(paths.passphraseFile)
    ? readPassphrase(paths.passphraseFile)
    : randomBytes(32).toString('hex');
  if (!existsSync(paths.passphraseFile)) await writeSecret(paths.passphraseFile, `${passphrase}\n`);
  if (!existsSync(paths.keystore)) {
    const sealed = await encryptKey(secp256k1.utils.randomSecretKey(), passphrase);
    await writeSecret(paths.keystore, `${JSON.stringify(sealed, null, 2)}\n`);
  }
  return paths;
}

/** Opens a keystore. Throws KEYSTORE_MODE for files that others may read, KEYSTORE_INVALID for the rest. */
export async function openKeystore(paths: KeystorePaths): Promise<Signer> {
  const passphrase = readPassphrase(paths.passphraseFile);
  refuseLoose(paths.keystore);
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(paths.keystore, 'utf8'));
  } catch (cause) {
    throw new GatewayError('KEYSTORE_INVALID', `${paths.keystore} is not JSON.`, { cause });
  }
  return deviceSigner(await decryptKey(document, passphrase));
}

export async function encryptKey(key: Uint8Array, passphrase: string): Promise<Record<string, unknown>> {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const derived = await derive(passphrase, salt, OWN_SCRYPT);
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(key), cipher.final()]);
  return {
    version: 3,
    id: randomUUID(),
    address: deviceSigner(key).address.slice(2),
    crypto: {
      cipher: 'aes-128-ctr',
      ciphertext: ciphertext.toString('hex'),
      cipherparams: { iv: iv.toString('hex') },
      kdf: 'scrypt',
      kdfparams: { dklen: 32, ...OWN_SCRYPT, salt: salt.toString('hex') },
      mac: Buffer.from(keccak(derived.subarray(16, 32), ciphertext)).toString('hex'),
    },
  };
}

export async function decryptKey(document: unknown, passphrase: string): Promise<Uint8Array> {
  const lower =
    document && typeof document === 'object' && 'Crypto' in document
      ? { ...document, crypto: document.Crypto }
      : document;
  const parsed = keystoreSchema.safeParse(lower);
  if (!parsed.success) {
    throw new GatewayError(
      'KEYSTORE_INVALID',
      'The keystore is not a V3 keystore with scrypt and aes-128-ctr.',
      {
        received: parsed.error.issues.map((issue) => issue.path.join('.')),
      },
    );
  }
  const { crypto, address } = parsed.data;
  const derived = await derive(passphrase, fromHex(crypto.kdfparams.salt), crypto.kdfparams);
  const ciphertext = fromHex(crypto.ciphertext);
  if (!sameBytes(keccak(derived.subarray(16, 32), ciphertext), fromHex(crypto.mac)))
    throw new GatewayError('KEYSTORE_INVALID', 'The passphrase does not open the keystore.');
  const cipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), fromHex(crypto.cipherparams.iv));
  const key = Buffer.concat([cipher.update(ciphertext), cipher.final()]);
  if (deviceSigner(key).address.slice(2) !== address.toLowerCase().replace(/^0x/, ''))
    throw new GatewayError('KEYSTORE_INVALID', 'The address in the keystore is not the address of its key.');
  return new Uint8Array(key);
}

function derive(
  passphrase: string,
  salt: Uint8Array,
  cost: { n: number; r: number; p: number },
): Promise<Buffer> {
  const options = { N: cost.n, r: cost.r, p: cost.p, maxmem: 256 * cost.n * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, 32, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** Throws KEYSTORE_MODE when others may read it. */
export function readPassphrase(file: string): string {
  refuseLoose(file);
  return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
}

/** Secrets that group or others may read or write are refused, and so are executable ones. */
function refuseLoose(file: string): void {
  let mode: number;
  try {
    mode = statSync(file).mode & 0o777;
  } catch (cause) {
    throw new GatewayError('KEYSTORE_INVALID', `${file} cannot be read.`, { cause });
  }
  if (mode & 0o177) {
    throw new GatewayError('KEYSTORE_MODE', `${file} has mode 0${mode.toString(8)}.`, {
      expected: '0400 or 0600',
    });
  }
}

/** Temporary file, sync, rename: the file is complete or absent. */
export async function writeSecret(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx', 0o400);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

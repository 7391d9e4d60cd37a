import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import type { Signer } from '../../ports/chain.ts';
import { encryptKey, type KeystorePaths, openKeystore, readPassphrase, writeSecret } from './keystore.ts';

/**
 * A new device key in the place of the old one. The old keystore stays beside it as `device.<address>.json`: the gateway goes on
 * collecting with it what is owed to it, and serves no more channels of it.
 */

export interface Rotated {
  /** Addresses. */
  readonly before: string;
  readonly after: string;
  /** Where the old key is kept. */
  readonly kept: string;
}

/** The old key is stored twice before the new one takes its name: a crash anywhere leaves a complete key in place. */
export async function rotateKey(paths: KeystorePaths): Promise<Rotated> {
  const before = (await openKeystore(paths)).address;
  const kept = retiredPath(paths.keystore, before);
  if (!existsSync(kept)) {
    const temporary = `${kept}.${randomUUID()}`;
    await copyFile(paths.keystore, temporary);
    await synced(temporary);
    await rename(temporary, kept);
  }
  const sealed = await encryptKey(secp256k1.utils.randomSecretKey(), readPassphrase(paths.passphraseFile));
  await writeSecret(paths.keystore, `${JSON.stringify(sealed, null, 2)}\n`);
  await synced(dirname(paths.keystore));
  return { before, after: (await openKeystore(paths)).address, kept };
}

/** Keys that were replaced, oldest name first; they open with the same passphrase. */
export async function retiredKeys(paths: KeystorePaths): Promise<Signer[]> {
  const folder = dirname(paths.keystore);
  const present = (await openKeystore(paths)).address;
  const stem = stemOf(paths.keystore);
  const names = readdirSync(folder).filter(
    (name) => name.startsWith(`${stem}.0x`) && /^\.0x[0-9a-f]{40}\.json$/.test(name.slice(stem.length)),
  );
  const signers: Signer[] = [];
  for (const name of names.sort()) {
    const signer = await openKeystore({ ...paths, keystore: join(folder, name) });
    if (signer.address !== present) signers.push(signer);
  }
  return signers;
}

const stemOf = (keystore: string): string => basename(keystore).replace(/\.json$/, '');

const retiredPath = (keystore: string, address: string): string =>
  join(dirname(keystore), `${stemOf(keystore)}.${address}.json`);

/** Files keep their mode when they are copied. */
async function synced(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

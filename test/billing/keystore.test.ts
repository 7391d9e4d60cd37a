import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encryptKeystoreJsonSync, recoverAddress as ethersRecover, Wallet } from 'ethers';
import { expect, test } from 'vitest';
import { fromHex, keccak, toHex } from '../../gateway/billing/formats/bytes.ts';
import { deviceSigner, recoverAddress } from '../../gateway/billing/keys/device-key.ts';
import { createKeystore, decryptKey, encryptKey, openKeystore } from '../../gateway/billing/keys/keystore.ts';
import { temporaryFolder } from '../support/tmp.ts';

const KEY = keccak(Buffer.from('a key for tests'));
const digest = keccak(Buffer.from('a digest'));

test('makes a key that only the owner can read, keeps it, and opens it', async () => {
  const dir = join(temporaryFolder(), 'keys');
  const paths = await createKeystore(dir);
  const signer = await openKeystore(paths);
  const before = readFileSync(paths.keystore, 'utf8');
  expect(await createKeystore(dir)).toEqual(paths);
  expect(readFileSync(paths.keystore, 'utf8')).toBe(before);
  for (const file of Object.values(paths)) expect(statSync(file).mode & 0o777).toBe(0o400);
  expect(signer.address).toBe(`0x${JSON.parse(before).address}`);
});

test('ethers opens what we seal, and we open what ethers seals', async () => {
  const wallet = await Wallet.fromEncryptedJson(
    JSON.stringify(await encryptKey(KEY, 'pass ﬁ word')),
    'pass ﬁ word',
  );
  expect(wallet.privateKey).toBe(toHex(KEY));
  const account = { address: new Wallet(toHex(KEY)).address, privateKey: toHex(KEY) };
  const sealed = encryptKeystoreJsonSync(account, 'secret', { scrypt: { N: 1024 } });
  expect(await decryptKey(JSON.parse(sealed), 'secret')).toEqual(new Uint8Array(KEY));
});

test.each([0o440, 0o404, 0o644, 0o620, 0o700])('refuses a passphrase file of mode %o', async (mode) => {
  const paths = await createKeystore(join(temporaryFolder(), 'keys'));
  chmodSync(paths.passphraseFile, mode);
  await expect(openKeystore(paths)).rejects.toMatchObject({
    code: 'KEYSTORE_MODE',
    fix: expect.stringContaining('chmod'),
  });
  chmodSync(paths.passphraseFile, 0o600);
  await expect(openKeystore(paths)).resolves.toHaveProperty('address');
});

test('refuses a wrong passphrase, a changed key file and what is no keystore', async () => {
  const dir = temporaryFolder();
  const paths = await createKeystore(join(dir, 'keys'));
  const sealed = JSON.parse(readFileSync(paths.keystore, 'utf8'));
  await expect(decryptKey(sealed, 'wrong')).rejects.toMatchObject({ code: 'KEYSTORE_INVALID' });
  await expect(decryptKey({ ...sealed, version: 2 }, 'x')).rejects.toMatchObject({
    code: 'KEYSTORE_INVALID',
  });
  const other = join(dir, 'other');
  writeFileSync(other, '{', { mode: 0o600 });
  await expect(openKeystore({ ...paths, keystore: other })).rejects.toMatchObject({
    code: 'KEYSTORE_INVALID',
  });
  await expect(openKeystore({ ...paths, keystore: join(dir, 'none') })).rejects.toMatchObject({
    code: 'KEYSTORE_INVALID',
  });
});

test('signs as ethers does, and recovers', () => {
  const signer = deviceSigner(KEY);
  const wallet = new Wallet(toHex(KEY));
  const signature = signer.sign(digest);
  expect(toHex(signature)).toBe(wallet.signingKey.sign(digest).serialized);
  expect(signer.address).toBe(wallet.address.toLowerCase());
  expect(recoverAddress(digest, signature)).toBe(signer.address);
  expect(ethersRecover(digest, toHex(signature)).toLowerCase()).toBe(signer.address);
});

test('recovers nothing from a malformed or malleated signature', () => {
  const signature = deviceSigner(KEY).sign(digest);
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const highS = Buffer.from(signature);
  const s = n - BigInt(toHex(signature.subarray(32, 64)));
  highS.set(fromHex(s.toString(16).padStart(64, '0')), 32);
  highS[64] = signature[64] === 27 ? 28 : 27;
  expect(recoverAddress(digest, highS)).toBeNull();
  expect(recoverAddress(digest, signature.subarray(0, 64))).toBeNull();
  expect(recoverAddress(digest, new Uint8Array(65))).toBeNull();
});

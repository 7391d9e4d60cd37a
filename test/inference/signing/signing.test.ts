import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readBundle } from '../../../gateway/inference/bundle.ts';
import { readSigningKey, readTrustedKeys, trusted } from '../../../gateway/inference/signing/keys.ts';
import { signOms, verifyOms } from '../../../gateway/inference/signing/oms.ts';
import { signRaw } from '../../../gateway/inference/signing/raw.ts';
import { Trust } from '../../../gateway/inference/signing/trust.ts';
import { testData } from '../../support/data.ts';
import { mlpModel } from '../../support/onnx.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { writeBundle } from '../bundles.ts';
import { mlpManifest } from '../service.ts';

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const publicOf = (key: KeyObject) => trusted('maker.pem', createPublicKey(key));

function bundleFolder(): string {
  const golden = [{ inputs: { window: [[1, 2, 3, 4]] }, outputs: {} }];
  return writeBundle(temporaryFolder(), {
    name: 'mlp',
    model: mlpModel([4, 3]),
    manifest: mlpManifest(4, 3),
    golden,
  });
}

async function signed(key: KeyObject, sign = signOms): Promise<string> {
  const folder = bundleFolder();
  writeFileSync(join(folder, 'model.sig'), await sign(folder, key));
  return folder;
}

const check = (folder: string, policy: 'required' | 'warn' | 'off', keys = [publicOf(p256.privateKey)]) =>
  new Trust(policy, keys).check(readBundle(folder));

test('what is signed by a trusted key serves, in either form', async () => {
  const oms = await signed(p256.privateKey);
  expect(await check(oms, 'required')).toEqual({ state: 'signed', key: 'maker.pem', form: 'oms' });
  const keys = [publicOf(p256.privateKey), publicOf(ed25519.privateKey)];
  const both = await signed(ed25519.privateKey);
  expect(await check(both, 'required', keys)).toMatchObject({ state: 'signed', form: 'oms' });
  const raw = await signed(ed25519.privateKey, signRaw);
  expect(await check(raw, 'required', keys)).toMatchObject({ state: 'signed', form: 'ed25519' });
  await expect(signRaw(oms, p256.privateKey)).rejects.toMatchObject({ code: 'MODEL_KEY' });
});

test('a file that is changed, added, missing or a link breaks the signature, whatever the policy', async () => {
  const good = await signed(p256.privateKey);
  const changes: Record<string, (folder: string) => void> = {
    'was changed': (folder) => writeFileSync(join(folder, 'golden/0.json'), '{}'),
    'is not signed': (folder) => writeFileSync(join(folder, 'golden/1.json'), '{}'),
    'is not there': (folder) => rmSync(join(folder, 'golden/0.json')),
    'is a link': (folder) => symlinkSync('/etc/hostname', join(folder, 'notes')),
  };
  for (const [message, change] of Object.entries(changes)) {
    const folder = join(temporaryFolder(), 'copy');
    cpSync(good, folder, { recursive: true });
    change(folder);
    await expect(check(folder, 'warn'), message).rejects.toMatchObject({
      code: 'MODEL_SIGNATURE',
      message: expect.stringContaining(message),
    });
    expect(await check(folder, 'off')).toMatchObject({ state: 'not checked' });
  }
  const raw = await signed(ed25519.privateKey, signRaw);
  writeFileSync(join(raw, 'golden/0.json'), '{}');
  await expect(check(raw, 'required', [publicOf(ed25519.privateKey)])).rejects.toThrow('for other files');
});

test('unsigned bundles and unknown keys: a warning or a refusal', async () => {
  const unsigned = bundleFolder();
  const unknown = await signed(ed25519.privateKey);
  expect(await check(unsigned, 'warn')).toMatchObject({ state: 'unsigned' });
  expect(await check(unknown, 'warn')).toMatchObject({ state: 'not trusted' });
  for (const folder of [unsigned, unknown])
    await expect(check(folder, 'required')).rejects.toMatchObject({ code: 'MODEL_SIGNATURE' });
  // What comes with the gateway is trusted as its code is.
  const apart = new Trust('required', [], join(temporaryFolder(), 'models'));
  expect(await apart.check(readBundle(unsigned))).toMatchObject({ state: 'not checked' });
});

test('a bundle that says what the specification does not allow is refused', async () => {
  const folder = await signed(p256.privateKey);
  const keys = [publicOf(p256.privateKey)];
  const text = readFileSync(join(folder, 'model.sig'), 'utf8');
  type Bundle = { mediaType: string; dsseEnvelope: Record<string, unknown>; verificationMaterial: unknown };
  const changed = (change: (bundle: Bundle) => unknown): Promise<unknown> => {
    const bundle = JSON.parse(text) as Bundle;
    change(bundle);
    return verifyOms(JSON.stringify(bundle), folder, keys);
  };
  await expect(changed(() => undefined)).resolves.toBeDefined();
  const wrong: ((bundle: Bundle) => unknown)[] = [
    (bundle) => Object.assign(bundle, { mediaType: 'application/json' }),
    (bundle) => Object.assign(bundle.dsseEnvelope, { payloadType: 'application/json' }),
    (bundle) => Object.assign(bundle.dsseEnvelope, { signatures: [] }),
    (bundle) => Object.assign(bundle.dsseEnvelope, { payload: Buffer.from('{}').toString('base64') }),
    (bundle) => Object.assign(bundle, { verificationMaterial: {} }),
  ];
  for (const change of wrong)
    await expect(changed(change)).rejects.toMatchObject({ code: 'MODEL_SIGNATURE' });
  for (const material of [{ publicKey: { hint: 'ab'.repeat(32) } }, { certificate: {}, tlogEntries: [] }])
    await expect(
      changed((bundle) => Object.assign(bundle, { verificationMaterial: material })),
    ).rejects.toMatchObject({
      code: 'MODEL_SIGNER',
    });
  // Sigstore, without keys: a certificate and a log entry, or one file instead of a model.
  await expect(
    changed((bundle) =>
      Object.assign(bundle, { verificationMaterial: { certificate: {}, tlogEntries: [{ logIndex: '1' }] } }),
    ),
  ).rejects.toMatchObject({
    code: 'MODEL_SIGNER',
    message: expect.stringContaining('Sigstore'),
    fix: expect.stringContaining('models sign'),
  });
  const oneFile = JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle+json',
    messageSignature: {},
  });
  await expect(verifyOms(oneFile, temporaryFolder(), [])).rejects.toMatchObject({
    code: 'MODEL_SIGNATURE',
    message: expect.stringContaining('one file'),
  });
  // Older signers gave the key itself in place of a hint.
  await expect(
    changed((bundle) => Object.assign(bundle, { verificationMaterial: { publicKey: { rawBytes: 'AA==' } } })),
  ).resolves.toBeDefined();
});

test('keys are read from PEM files; other kinds of keys are refused', async () => {
  const dir = temporaryFolder();
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'keys.pem');
  const pem = [p256, ed25519].map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(file, pem.join('\n'));
  expect(readTrustedKeys(file)).toHaveLength(2);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(file, rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  expect(() => readSigningKey(file)).toThrow('not used for models');
  expect(() => readTrustedKeys(file)).toThrow('no public key');
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n');
  expect(() => readTrustedKeys(file)).toThrow(
    expect.objectContaining({ code: 'MODEL_KEY', fix: expect.stringContaining('openssl x509') }),
  );
});

const shared = testData('model-signing');
test.skipIf(!shared)('the published test bundles: one parses, two do not', async () => {
  const read = (name: string): string => readFileSync(join(shared!, name), 'utf8');
  const verdict = (name: string) => verifyOms(read(name), bundleFolder(), [publicOf(p256.privateKey)]);
  await expect(verdict('key.bundle.json')).rejects.toMatchObject({ code: 'MODEL_SIGNER' });
  for (const name of ['empty.bundle.json', 'missing-envelope.bundle.json'])
    await expect(verdict(name)).rejects.toMatchObject({ code: 'MODEL_SIGNATURE' });
});

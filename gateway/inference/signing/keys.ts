import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { asGatewayError, GatewayError } from '../../errors.ts';

/** Hash that goes with each curve (Sigstore algorithm registry); Ed25519 hashes by itself. */
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};

/** A public key that signatures of models are checked with. */
export interface TrustedKey {
  /** File it came from, for people. */
  readonly name: string;
  readonly key: KeyObject;
  /** Hex SHA-256 of its PEM text (how OMS bundles hint at it) and of its DER bytes. */
  readonly fingerprints: readonly string[];
}

/** Reads a PEM file with one or several public keys. Throws MODEL_KEY. */
export function readTrustedKeys(file: string): TrustedKey[] {
  const text = readKeyFile(file);
  const blocks = text.match(/-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0)
    throw new GatewayError('MODEL_KEY', `${file}: holds no public key`, {
      expected: 'PEM text that begins with -----BEGIN PUBLIC KEY-----',
      // A certificate says until when and for whom a key holds, and nothing here would look at that.
      ...(text.includes('-----BEGIN CERTIFICATE-----')
        ? {
            received: 'a certificate',
            fix: 'Take its key out, if you trust it as it is: `openssl x509 -in cert.pem -pubkey -noout > key.pub`.',
          }
        : {}),
    });
  return blocks.map((block) =>
    trusted(
      basename(file),
      parse(file, () => createPublicKey(block)),
    ),
  );
}

/** A private key that can sign, from a PEM file. Throws MODEL_KEY. */
export function readSigningKey(file: string, passphrase?: string): KeyObject {
  const text = readKeyFile(file);
  const key = parse(file, () =>
    createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) }),
  );
  hashOf(key, file);
  return key;
}

export function trusted(name: string, key: KeyObject): TrustedKey {
  hashOf(key, name);
  return { name, key, fingerprints: fingerprintsOf(key) };
}

/** Of the public key: SHA-256 of its PEM text first, then of its DER bytes. */
export function fingerprintsOf(key: KeyObject): string[] {
  const open = key.type === 'public' ? key : createPublicKey(key);
  const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
  return [
    sha256(open.export({ type: 'spki', format: 'pem' })),
    sha256(open.export({ type: 'spki', format: 'der' })),
  ];
}

/** Signs with the algorithm of the key: ECDSA (DER) with the hash of its curve, or Ed25519. */
export const signWith = (key: KeyObject, message: Uint8Array): Buffer =>
  signBytes(hashOf(key, 'the key'), message, key);

export const verifyWith = (key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean =>
  verifyBytes(hashOf(key, 'the key'), message, key, signature);

/** Hash for {@link signBytes}; null for Ed25519. Throws MODEL_KEY for other kinds of keys. */
function hashOf(key: KeyObject, name: string): string | null {
  if (key.asymmetricKeyType === 'ed25519') return null;
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const hash = key.asymmetricKeyType === 'ec' && curve !== undefined ? CURVES[curve] : undefined;
  if (hash !== undefined) return hash;
  throw new GatewayError('MODEL_KEY', `${name}: keys of this kind are not used for models`, {
    received: [key.asymmetricKeyType, curve].filter(Boolean).join(' '),
    expected: 'ECDSA on P-256, P-384 or P-521, or Ed25519',
  });
}

function readKeyFile(file: string): string {
  return parse(file, () => readFileSync(file, 'utf8'));
}

function parse<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new GatewayError('MODEL_KEY', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
}

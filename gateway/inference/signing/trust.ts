import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Bundle } from '../bundle.ts';
import { filesOf, MANIFEST_FILE } from '../manifest-files.ts';
import { SIGNATURE_FILE } from './files.ts';
import { readTrustedKeys, type TrustedKey } from './keys.ts';
import { verifyOms } from './oms.ts';
import { verifyRaw } from './raw.ts';

/**
 * `required`: only bundles signed by a trusted key serve. `warn`: others serve with a warning, but not one whose
 * signature by a trusted key does not hold. `off`: signatures are not looked at.
 */
export type SignaturePolicy = 'required' | 'warn' | 'off';

/** A bundle's signature as it was found. */
export type Signature =
  | { readonly state: 'signed'; readonly key: string; readonly form: 'oms' | 'ed25519' }
  | { readonly state: 'unsigned' | 'not trusted' | 'not checked'; readonly reason: string };

/** A signature lists at most some thousand files. */
const MAX_SIGNATURE_BYTES = 32 * 1024 * 1024;

/** Which signatures a bundle needs to serve here. */
export class Trust {
  readonly policy: SignaturePolicy;
  readonly #keysOf: () => readonly TrustedKey[];
  readonly #dir: string | undefined;

  /**
   * @param dir folder whose bundles are checked: those outside come with the gateway and are trusted as its code is;
   * undefined: all are
   */
  constructor(
    policy: SignaturePolicy,
    keys: readonly TrustedKey[] | (() => readonly TrustedKey[]),
    dir?: string,
  ) {
    this.policy = policy;
    this.#keysOf = typeof keys === 'function' ? keys : () => keys;
    this.#dir = dir;
  }

  /** With keys from PEM files, which are read when the first signature is checked: MODEL_KEY comes then. */
  static of(policy: SignaturePolicy, files: readonly string[], dir?: string): Trust {
    let keys: TrustedKey[] | undefined;
    return new Trust(policy, () => (keys ??= files.flatMap(readTrustedKeys)), dir);
  }

  /** Looks at the signature of a bundle that lies where it is to serve. Rejects when it must not. */
  async check(bundle: Bundle): Promise<Signature> {
    if (this.#dir !== undefined && join(bundle.folder, '..') !== join(this.#dir))
      return { state: 'not checked', reason: 'comes with the gateway' };
    return await this.checkFolder(bundle);
  }

  /** Like {@link check}, wherever the bundle lies. */
  async checkFolder(bundle: Bundle): Promise<Signature> {
    if (this.policy === 'off') return { state: 'not checked', reason: 'models.signatures is off' };
    const found = await signatureOf(bundle, this.#keysOf);
    if (found.state === 'signed' || this.policy !== 'required') return found;
    throw new GatewayError('MODEL_SIGNATURE', `${bundle.folder}: ${found.reason}`, {
      expected: 'a signature by one of models.trustedKeys, because models.signatures is required',
      fix: 'Have its maker sign it, add the public key of its maker to models.trustedKeys, or set models.signatures.',
    });
  }
}

/** Rejects with MODEL_SIGNATURE when there is a signature by one of the keys that does not hold. */
async function signatureOf(bundle: Bundle, keysOf: () => readonly TrustedKey[]): Promise<Signature> {
  const file = join(bundle.folder, SIGNATURE_FILE);
  const text = readSignature(file);
  if (text === undefined) return { state: 'unsigned', reason: 'it is not signed' };
  const keys = keysOf();
  const oms = text.trimStart().startsWith('{') || text.trim() === '';
  try {
    const { key, files } = await (oms ? verifyOms : verifyRaw)(text, bundle.folder, keys);
    const needed = [MANIFEST_FILE, ...filesOf(bundle.manifest).map((part) => part.file)];
    const open = needed.find((part) => !files.includes(part));
    if (open !== undefined) throw new GatewayError('MODEL_SIGNATURE', `the signature leaves ${open} out`);
    return { state: 'signed', key: key.name, form: oms ? 'oms' : 'ed25519' };
  } catch (error) {
    const { code, message, received, expected } = asGatewayError(error);
    if (code === 'MODEL_SIGNER') return { state: 'not trusted', reason: message };
    throw new GatewayError('MODEL_SIGNATURE', `${file}: ${message}`, {
      cause: error,
      received,
      ...(expected === undefined ? {} : { expected }),
    });
  }
}

function readSignature(file: string): string | undefined {
  try {
    if (statSync(file).size > MAX_SIGNATURE_BYTES)
      throw new GatewayError('MODEL_SIGNATURE', `${file} is larger than ${MAX_SIGNATURE_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('MODEL_SIGNATURE', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
}

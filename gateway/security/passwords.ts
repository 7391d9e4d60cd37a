import { GatewayError } from '../errors.ts';
import { type StoredSecret, sealPassword } from './secrets.ts';

const SHORTEST = 10;
/** Bytes: stretching takes any length, requests do not. */
const LONGEST = 512;

/**
 * A password that a person chose, ready to be kept. Length counts and composition does not (NIST SP 800-63B §3.1.1); the
 * same characters typed on another system are the same password (Unicode NFC).
 * @throws GatewayError PASSWORD_WEAK
 */
export async function choosePassword(name: string, password: string): Promise<StoredSecret> {
  const text = password.normalize('NFC');
  const plain = text.toLowerCase();
  const weak =
    [...text].length < SHORTEST
      ? `it has fewer than ${SHORTEST} characters`
      : Buffer.byteLength(text) > LONGEST
        ? `it has more than ${LONGEST} bytes`
        : new Set(plain).size < 4
          ? 'it repeats a few characters'
          : plain.includes(name.toLowerCase()) && plain.length < name.length + 6
            ? 'it is little more than the name'
            : COMMON.some((word) => plain.startsWith(word))
              ? 'it is one that is tried first'
              : undefined;
  if (weak === undefined) return await sealPassword(text);
  throw new GatewayError('PASSWORD_WEAK', `this password is not taken: ${weak}`);
}

/** Beginnings of what guessing begins with, among those that are long enough. */
const COMMON = ['password', 'passw0rd', '1234567890', 'qwertyuiop', 'administrator', 'letmein', 'changeme'];

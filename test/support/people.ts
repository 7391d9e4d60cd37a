import { randomBytes, scryptSync } from 'node:crypto';
import type { StoredSecret } from '../../gateway/security/secrets.ts';

/** A password that costs next to nothing to check, of another cost than ours: what the identity file says is what counts. */
export function cheapPassword(password: string): StoredSecret {
  const salt = randomBytes(16);
  const hash = scryptSync(password, salt, 32, { N: 1024, r: 1, p: 1 });
  return {
    kind: 'scrypt',
    n: 1024,
    r: 1,
    p: 1,
    salt: salt.toString('base64url'),
    hash: hash.toString('base64url'),
  };
}

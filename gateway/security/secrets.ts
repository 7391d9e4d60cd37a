import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/**
 * How a secret is kept. `sha256` is for secrets we made ourselves: 192 random bits cannot be guessed, so stretching
 * adds nothing, and a thousand devices that reconnect at once must not stall the box. `scrypt` is for passwords that
 * people chose.
 */
export const storedSecret = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sha256'), salt: z.string(), hash: z.string() }),
  z.strictObject({
    kind: z.literal('scrypt'),
    n: z
      .number()
      .int()
      .min(1024)
      .max(1 << 20),
    r: z.number().int().min(1).max(32),
    p: z.number().int().min(1).max(16),
    salt: z.string(),
    hash: z.string(),
  }),
]);
export type StoredSecret = z.output<typeof storedSecret>;

const SECRET_BYTES = 24;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** 32 MiB and about 80 ms on a small board. */
const COST = { n: 32_768, r: 8, p: 1 };

/** A secret of 192 random bits, 32 characters that need no quoting anywhere. */
export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** For secrets made by {@link newSecret} only. */
export function sealRandom(secret: string): StoredSecret {
  const salt = randomBytes(SALT_BYTES);
  return {
    kind: 'sha256',
    salt: salt.toString('base64url'),
    hash: digest(salt, secret).toString('base64url'),
  };
}

/** For passwords that a person chose. */
export async function sealPassword(password: string): Promise<StoredSecret> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await stretch(password, salt, COST);
  return { kind: 'scrypt', ...COST, salt: salt.toString('base64url'), hash: hash.toString('base64url') };
}

/** A stretched password that nothing matches: unknown names then take as long as wrong passwords. */
export function neverRight(): StoredSecret {
  const random = (bytes: number): string => randomBytes(bytes).toString('base64url');
  return { kind: 'scrypt', ...COST, salt: random(SALT_BYTES), hash: random(HASH_BYTES) };
}

/** Compares in constant time. Rejects only when the machine is out of memory. */
export async function verifySecret(stored: StoredSecret, given: string | Uint8Array): Promise<boolean> {
  const salt = Buffer.from(stored.salt, 'base64url');
  const expected = Buffer.from(stored.hash, 'base64url');
  const actual = stored.kind === 'sha256' ? digest(salt, given) : await stretch(given, salt, stored);
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

const digest = (salt: Uint8Array, secret: string | Uint8Array): Buffer =>
  createHash('sha256').update(salt).update(secret).digest();

function stretch(
  secret: string | Uint8Array,
  salt: Uint8Array,
  cost: { n: number; r: number; p: number },
): Promise<Buffer> {
  const options: ScryptOptions = { N: cost.n, r: cost.r, p: cost.p, maxmem: 256 * cost.n * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, HASH_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

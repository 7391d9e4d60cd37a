import { createHash } from 'node:crypto';

/** Texts are gathered here before they are hashed: one call into the hash for many small ones, without a string of all. */
const GATHERED = Buffer.allocUnsafeSlow(64 * 1024);
/** UTF-8 bytes of one UTF-16 unit, at most. */
const MOST_BYTES = 3;

/** SHA-256 of the UTF-8 of `text(0) + separator + text(1) + … + text(count - 1)`. */
export function joinedSha256(count: number, separator: string, text: (index: number) => string): Uint8Array {
  const hash = createHash('sha256');
  let at = 0;
  const add = (part: string): void => {
    const room = part.length * MOST_BYTES;
    if (at > 0 && at + room > GATHERED.length) {
      hash.update(GATHERED.subarray(0, at));
      at = 0;
    }
    if (room > GATHERED.length) hash.update(part, 'utf8');
    else at += GATHERED.write(part, at);
  };
  for (let index = 0; index < count; index++) {
    if (index > 0) add(separator);
    add(text(index));
  }
  return hash.update(GATHERED.subarray(0, at)).digest();
}

/**
 * Where a route key (a device, a request id) lies between 0 and 1 for a version on trial: always at the same place, and
 * places of many keys are spread evenly. A key that is below a share stays below every larger one.
 */
export function placeOf(key: string, salt: string): number {
  // FNV-1a, then the finalizer of MurmurHash3, which spreads what FNV leaves in the low bits.
  let hash = 0x811c9dc5;
  for (let i = 0; i < salt.length; i++) hash = Math.imul(hash ^ salt.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ 0xffff, 0x01000193);
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 2 ** 32;
}

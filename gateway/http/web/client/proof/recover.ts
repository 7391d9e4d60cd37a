import { fromHex, keccak, toHex, word } from './bytes.ts';

/**
 * Whose key made a signature: public key recovery on secp256k1 (SEC 1 v2, §4.1.6). It works on what everybody may
 * know, so it need not hide how long it takes; it is written to be read.
 */

const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G: Point = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
];

type Point = readonly [x: bigint, y: bigint];
/** Jacobian coordinates; z = 0: the point at infinity. */
type Jacobian = readonly [x: bigint, y: bigint, z: bigint];
const INFINITY: Jacobian = [0n, 1n, 0n];

const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = mod(base, modulus);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

const inverse = (value: bigint, modulus: bigint): bigint => power(value, modulus - 2n, modulus);

function double([x, y, z]: Jacobian): Jacobian {
  if (z === 0n) return INFINITY;
  const yy = (y * y) % P;
  const s = (4n * x * yy) % P;
  const m = (3n * x * x) % P;
  const x3 = mod(m * m - 2n * s, P);
  return [x3, mod(m * (s - x3) - 8n * yy * yy, P), (2n * y * z) % P];
}

function add(a: Jacobian, b: Jacobian): Jacobian {
  if (a[2] === 0n) return b;
  if (b[2] === 0n) return a;
  const [za, zb] = [(a[2] * a[2]) % P, (b[2] * b[2]) % P];
  const [ua, ub] = [(a[0] * zb) % P, (b[0] * za) % P];
  const [sa, sb] = [(a[1] * zb * b[2]) % P, (b[1] * za * a[2]) % P];
  if (ua === ub) return sa === sb ? double(a) : INFINITY;
  const h = mod(ub - ua, P);
  const r = mod(sb - sa, P);
  const hh = (h * h) % P;
  const hhh = (h * hh) % P;
  const v = (ua * hh) % P;
  const x = mod(r * r - hhh - 2n * v, P);
  return [x, mod(r * (v - x) - sa * hhh, P), (a[2] * b[2] * h) % P];
}

function multiply([x, y]: Point, factor: bigint): Jacobian {
  let result = INFINITY;
  let summand: Jacobian = [x, y, 1n];
  for (let rest = factor; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, summand);
    summand = double(summand);
  }
  return result;
}

/** Address of the key that signed `digest`; null when no key did. @param signature r, s and 27 or 28, 65 bytes */
export function recoverAddress(digest: Uint8Array, signature: string): string | null {
  const bytes = fromHex(signature);
  const v = bytes[64];
  if (bytes.length !== 65 || (v !== 27 && v !== 28)) return null;
  const r = BigInt(toHex(bytes.subarray(0, 32)));
  const s = BigInt(toHex(bytes.subarray(32, 64)));
  if (r === 0n || r >= N || s === 0n || s > N / 2n) return null;
  const square = (r * r * r + 7n) % P;
  const root = power(square, (P + 1n) / 4n, P);
  if ((root * root) % P !== square) return null;
  const y = (root & 1n) === BigInt(v - 27) ? root : P - root;
  const ofR = inverse(r, N);
  const key = add(multiply([r, y], (s * ofR) % N), multiply(G, mod(-BigInt(toHex(digest)) * ofR, N)));
  if (key[2] === 0n) return null;
  const scale = inverse(key[2], P);
  const scale2 = (scale * scale) % P;
  const hash = keccak(word((key[0] * scale2) % P), word((key[1] * scale2 * scale) % P));
  return toHex(hash.subarray(12));
}

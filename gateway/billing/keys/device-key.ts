import { secp256k1 } from '@noble/curves/secp256k1.js';
import type { Signer } from '../../ports/chain.ts';
import { keccak, toHex } from '../formats/bytes.ts';

/** A signer for a 32-byte secp256k1 private key. */
export function deviceSigner(privateKey: Uint8Array): Signer {
  return {
    address: addressOf(secp256k1.getPublicKey(privateKey, false)),
    sign(digest) {
      const recovered = secp256k1.sign(digest, privateKey, { prehash: false, format: 'recovered' });
      const signature = new Uint8Array(65);
      signature.set(recovered.subarray(1), 0);
      signature[64] = 27 + recovered[0]!;
      return signature;
    },
  };
}

/** Address (lower case) whose key made a 65-byte signature over `digest`; null when it is no signature. */
export function recoverAddress(digest: Uint8Array, signature: Uint8Array): string | null {
  if (signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28)) return null;
  const recovered = new Uint8Array(65);
  recovered[0] = signature[64] - 27;
  recovered.set(signature.subarray(0, 64), 1);
  try {
    const parsed = secp256k1.Signature.fromBytes(recovered, 'recovered');
    if (parsed.hasHighS()) return null;
    return addressOf(parsed.recoverPublicKey(digest).toBytes(false));
  } catch {
    return null; // not a point of the curve: no key made this
  }
}

/** Last 20 bytes of the Keccak hash of the uncompressed public key. */
const addressOf = (publicKey: Uint8Array): string => toHex(keccak(publicKey.subarray(1)).subarray(12));

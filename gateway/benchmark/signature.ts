import { fromHex, keccak, toHex } from '../billing/formats/bytes.ts';
import { canonicalJson } from '../billing/formats/canonical-json.ts';
import { recoverAddress } from '../billing/keys/device-key.ts';
import type { Signer } from '../ports/chain.ts';
import type { Report } from './report.ts';

/**
 * Signatures of reports: EIP-191 "personal message" over the 32-byte Keccak hash of the report's canonical JSON (RFC
 * 8785) without its signature, by the device's secp256k1 key. Any Ethereum wallet library can check it.
 */

/** Keccak-256 of the report without its signature: what names it elsewhere, for instance on a chain. */
export function reportHash(report: Report): Uint8Array {
  const { signature: _, ...signed } = report;
  return keccak(new TextEncoder().encode(canonicalJson(signed)));
}

export function signReport(report: Report, signer: Signer): Report {
  const value = toHex(signer.sign(messageDigest(reportHash(report))));
  return { ...report, signature: { device: signer.address, value } };
}

/** `unsigned`, or whether the signature is the named device's and the report is as it was signed. */
export function checkSignature(report: Report): 'unsigned' | 'valid' | 'invalid' {
  if (!report.signature) return 'unsigned';
  const { device, value } = report.signature;
  return recoverAddress(messageDigest(reportHash(report)), fromHex(value)) === device ? 'valid' : 'invalid';
}

/** https://eips.ethereum.org/EIPS/eip-191, version 0x45, of a 32-byte message. */
function messageDigest(hash: Uint8Array): Uint8Array {
  const prefix = new TextEncoder().encode('\u0019Ethereum Signed Message:\n32');
  const message = new Uint8Array(prefix.length + hash.length);
  message.set(prefix);
  message.set(hash, prefix.length);
  return keccak(message);
}

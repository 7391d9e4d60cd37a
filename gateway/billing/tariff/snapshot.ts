import type { Signer } from '../../ports/chain.ts';
import { fromHex, toHex } from '../formats/bytes.ts';
import { digest, domainSeparator, hashStruct, type Types } from '../formats/typed-data.ts';
import { recoverAddress } from '../keys/device-key.ts';

/**
 * What a unit of a currency is worth in AIMX, for a while, in the word of somebody whom the tariff names. Signed by EIP-712 under a
 * domain without a chain, because a rate is the same on all of them.
 */
export interface RateSnapshot {
  /** ISO 4217: `EUR`. */
  readonly currency: string;
  /** 10⁻¹⁸ AIMX for one unit of the currency, as a decimal string. */
  readonly aimx: string;
  /** Milliseconds since the epoch. */
  readonly observedAt: number;
  readonly validUntil: number;
  /** Where the rate is from, in words. */
  readonly source: string;
  /** 65 bytes as `0x…`. */
  readonly signature: string;
}

const TYPES = {
  Rate: [
    { name: 'currency', type: 'string' },
    { name: 'aimx', type: 'uint128' },
    { name: 'observedAt', type: 'uint64' },
    { name: 'validUntil', type: 'uint64' },
    { name: 'source', type: 'string' },
  ],
} as const satisfies Types;

const SEPARATOR = domainSeparator({ name: 'AIMX Exchange Rate', version: '1' });

const digestOf = ({ signature: _, ...rate }: RateSnapshot): Uint8Array =>
  digest(SEPARATOR, hashStruct('Rate', TYPES, rate));

export function signRate(rate: Omit<RateSnapshot, 'signature'>, signer: Signer): RateSnapshot {
  return { ...rate, signature: toHex(signer.sign(digestOf({ ...rate, signature: '' }))) };
}

/** Address of who signed a rate; null when nobody did. */
export const signerOf = (rate: RateSnapshot): string | null =>
  recoverAddress(digestOf(rate), fromHex(rate.signature));

import { utf8 } from '../billing/formats/bytes.ts';
import { digest, domainSeparator, hashStruct, type Types } from '../billing/formats/typed-data.ts';
import type { Signer } from '../ports/chain.ts';
import type { Listing } from '../ports/directory.ts';

/** What devices sign for the directory (EIP-712); `deploy/contracts/GatewayDirectory.sol` has the same types. */
export const DIRECTORY_TYPES = {
  Listing: [
    { name: 'device', type: 'address' },
    { name: 'provider', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'geohash', type: 'bytes12' },
    { name: 'tariffHash', type: 'bytes32' },
    { name: 'nonce', type: 'uint64' },
    { name: 'validUntil', type: 'uint64' },
    { name: 'endpoint', type: 'string' },
    { name: 'models', type: 'string[]' },
  ],
  Delisting: [
    { name: 'device', type: 'address' },
    { name: 'nonce', type: 'uint64' },
  ],
} as const satisfies Types;

/** Which directory on which chain. */
export interface DirectoryPlace {
  readonly chainId: number;
  readonly address: string;
}

/** Signs an entry: 65 bytes. */
export function signListing(place: DirectoryPlace, listing: Listing, signer: Signer): Uint8Array {
  const value = { ...listing, geohash: geohashWord(listing.geohash) };
  return signer.sign(digest(separatorOf(place), hashStruct('Listing', DIRECTORY_TYPES, value)));
}

/** Signs the end of an entry: 65 bytes. */
export function signDelisting(
  place: DirectoryPlace,
  device: string,
  nonce: number,
  signer: Signer,
): Uint8Array {
  return signer.sign(digest(separatorOf(place), hashStruct('Delisting', DIRECTORY_TYPES, { device, nonce })));
}

/** A geohash as the contract keeps it: its characters, then zeros. */
export function geohashWord(geohash: string): Uint8Array {
  const word = new Uint8Array(12);
  word.set(utf8(geohash));
  return word;
}

const separatorOf = ({ chainId, address }: DirectoryPlace): Uint8Array =>
  domainSeparator({ name: 'AIMX Gateway Directory', version: '1', chainId, verifyingContract: address });

import type { ChainAnswer, Signer } from './chain.ts';

/** The directory of gateways on a chain: where they are, what they offer, what they stand to lose. */

/** What a gateway says of itself; signed by its device key. */
export interface Listing {
  /** Address of the device key, lower case. */
  readonly device: string;
  /** Who is paid, and whose bond counts. */
  readonly provider: string;
  /** What prices and bond are in. */
  readonly token: string;
  /** 1 to 12 characters; fewer say less of where it is. */
  readonly geohash: string;
  /** 32 bytes as `0x…`: Keccak hash of the tariff's canonical JSON. */
  readonly tariffHash: string;
  /** Higher than that of the entry or delisting before. */
  readonly nonce: number;
  /** Seconds since the epoch. */
  readonly validUntil: number;
  /** Base URL of the inference API. */
  readonly endpoint: string;
  /** `name@version`. */
  readonly models: readonly string[];
}

export interface ListedGateway {
  readonly listing: Listing;
  /** At stake in the ledger, in the token's smallest unit, less what is on its way back. */
  readonly bond: bigint;
}

/** A transaction that is in the chain. */
export interface InChain {
  readonly transaction: string;
  readonly block: number;
  readonly gasUsed: number;
}

export interface Directory {
  readonly chainId: number;
  /** Of the contract, lower case. */
  readonly address: string;
  /** All entries as of one block, those that are over included, in no order that means anything. */
  all(): Promise<ChainAnswer<readonly ListedGateway[]>>;
  /** Nonce of a device's newest entry or delisting; 0 when there was none. */
  nonceOf(device: string): Promise<ChainAnswer<number>>;
  /** Brings a signed entry and waits until it is in the chain. Anyone may pay. */
  list(listing: Listing, signature: Uint8Array, payer: Signer): Promise<ChainAnswer<InChain>>;
  /** Removes a device's entry by its signed word. */
  delist(device: string, nonce: number, signature: Uint8Array, payer: Signer): Promise<ChainAnswer<InChain>>;
  /** Lets go of connections. */
  close(): void;
}

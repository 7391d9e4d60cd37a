import type { ChannelLedger } from './channel-ledger.ts';

/** The ledger on a chain, as the poster needs it. "Not reachable" is a value and not an exception. */

export type ChainAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /**
       * `unreachable`: no usable answer, try later · `wrong`: another chain, or no ledger at the address ·
       * `nonce`: the nonce is used up, look at the head again · `underpriced`: a transaction with this nonce waits and
       * pays as much · `refused`: the node will not take it (no balance, fee too low, …).
       */
      readonly code: 'unreachable' | 'wrong' | 'nonce' | 'underpriced' | 'refused';
      readonly reason: string;
    };

/** What a device has committed to on the ledger. All zero before the first batch. */
export interface LedgerHead {
  /** 32 bytes. */
  readonly head: Uint8Array;
  /** Receipts committed to. */
  readonly toSeq: number;
  readonly batches: number;
  /** Their amount in the token's smallest unit. */
  readonly total: bigint;
}

/** One consistent look at the chain: everything as of one block. */
export interface ChainView {
  readonly block: number;
  /** The block's time, seconds since the epoch; absent where nobody asked. */
  readonly time?: number;
  readonly head: LedgerHead;
  /** The device's head as of the newest final block; undefined when the node cannot say. */
  readonly finalHead: LedgerHead | undefined;
  /** Transactions of the device's account that are in the chain; pending ones do not count. */
  readonly nonce: number;
  /** Wei per gas. */
  readonly baseFee: bigint;
  readonly tip: bigint;
  /** What the device's account has to pay fees with, wei; absent where nobody asked. */
  readonly coins?: bigint;
}

export interface PostFields {
  readonly prevHead: Uint8Array;
  readonly root: Uint8Array;
  readonly toSeq: number;
  readonly total: bigint;
}

export interface PostTerms {
  readonly nonce: number;
  /** Wei per gas, tip included. */
  readonly maxFee: bigint;
  readonly tip: bigint;
}

/** Signs 32-byte digests with the device key. */
export interface Signer {
  /** Lower-case hexadecimal with 0x. */
  readonly address: string;
  /** 65 bytes: r, s (low), then v as 27 or 28. */
  sign(digest: Uint8Array): Uint8Array;
}

export interface Chain {
  readonly chainId: number;
  /** Address of the ledger contract, lower case. */
  readonly ledger: string;
  view(device: string): Promise<ChainAnswer<ChainView>>;
  /** Pure: the signed transaction that posts a batch, and its hash. */
  signPost(post: PostFields, terms: PostTerms, signer: Signer): { raw: Uint8Array; hash: Uint8Array };
  /** Hands a transaction to the node; one that the node knows already is a success. */
  broadcast(raw: Uint8Array): Promise<ChainAnswer<'sent' | 'known'>>;
  /** Where a transaction is in the chain; null when it is not. */
  outcome(hash: Uint8Array): Promise<ChainAnswer<Outcome | null>>;
  /** Channels with customers; absent: this ledger commits to receipts and moves no money. */
  readonly channels?: ChannelLedger;
  /** Lets go of connections. */
  close(): void;
}

export interface Outcome {
  readonly block: number;
  readonly succeeded: boolean;
  readonly gasUsed: number;
  /** What a unit of gas cost, wei; absent where the node does not say. */
  readonly gasPrice?: bigint;
}

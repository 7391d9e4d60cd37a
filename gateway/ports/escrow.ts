import type { ChainAnswer, Outcome, PostTerms, Signer } from './chain.ts';

/** The ledger as a payer needs it: escrow of channels, claims against them, transactions of the wallet. */

/** Terms of a channel; its EIP-712 digest is the channel's id. */
export interface EscrowTerms {
  readonly payer: string;
  readonly payerSigner: string;
  readonly provider: string;
  readonly device: string;
  readonly token: string;
  /** Seconds. */
  readonly withdrawDelay: number;
  /** Seconds. */
  readonly disputeWindow: number;
  /** 32 bytes. */
  readonly salt: Uint8Array | string;
}

/** Money and claims of a channel. Amounts are cumulative since it opened, in the token's smallest unit. */
export interface EscrowState {
  readonly opened: boolean;
  /** Deposited less withdrawn; `balance - paid` is in escrow. */
  readonly balance: bigint;
  readonly paid: bigint;
  /** The claim that waits for its dispute window; 0 when none does. */
  readonly held: bigint;
  readonly heldSeq: number;
  readonly heldHash: Uint8Array;
  /** Seconds since the epoch, by the chain's clock. */
  readonly releaseAt: number;
  readonly thawing: bigint;
  readonly thawAt: number;
}

/** One consistent look: everything as of one block. */
export interface EscrowView {
  readonly block: number;
  /** The block's time, seconds since the epoch. */
  readonly time: number;
  readonly channel: EscrowState;
  /** The wallet's coins for gas, its tokens, and how many of them the ledger may take. */
  readonly coins: bigint;
  readonly tokens: bigint;
  readonly allowance: bigint;
  /** What the device stands to lose. */
  readonly bond: bigint;
  /** Transactions of the wallet that are in the chain; pending ones do not count. */
  readonly nonce: number;
  /** The newest block that no reorganisation takes back, and the wallet's transactions up to it. */
  readonly finalBlock: number;
  readonly finalNonce: number;
  /** Wei per gas. */
  readonly baseFee: bigint;
  readonly tip: bigint;
}

/** A receipt number with the device's signature over it. */
export interface StatedHead {
  readonly seq: number;
  readonly cumulative: bigint;
  readonly receiptHash: Uint8Array;
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

/** What a wallet does on the ledger. */
export type EscrowAction =
  | { readonly kind: 'approve'; readonly token: string; readonly amount: bigint }
  | { readonly kind: 'deposit'; readonly terms: EscrowTerms; readonly amount: bigint }
  | {
      readonly kind: 'permit-deposit';
      readonly terms: EscrowTerms;
      readonly amount: bigint;
      /** Seconds since the epoch. */
      readonly deadline: number;
      /** The wallet's ERC-2612 permit for the ledger, 65 bytes. */
      readonly permit: Uint8Array;
    }
  | { readonly kind: 'thaw'; readonly terms: EscrowTerms; readonly amount: bigint }
  | { readonly kind: 'withdraw'; readonly terms: EscrowTerms }
  | { readonly kind: 'challenge'; readonly terms: EscrowTerms; readonly head: StatedHead };

/** What an ERC-2612 token needs to know for a permit. */
export interface PermitState {
  readonly separator: Uint8Array;
  readonly nonce: bigint;
}

export interface Escrow {
  readonly chainId: number;
  /** Address of the ledger contract, lower case. */
  readonly ledger: string;
  look(channelId: Uint8Array, terms: EscrowTerms): Promise<ChainAnswer<EscrowView>>;
  /** Undefined for a token without permits. */
  permitState(token: string, owner: string): Promise<ChainAnswer<PermitState | undefined>>;
  /** Pure: the signed transaction of an action, and its hash. */
  sign(action: EscrowAction, terms: PostTerms, signer: Signer): { raw: Uint8Array; hash: Uint8Array };
  /** Hands a transaction to the node; one that the node knows already is a success. */
  broadcast(raw: Uint8Array): Promise<ChainAnswer<'sent' | 'known'>>;
  /** Where a transaction is in the chain; null when it is not. */
  outcome(hash: Uint8Array): Promise<ChainAnswer<Outcome | null>>;
  /** Lets go of connections. */
  close(): void;
}

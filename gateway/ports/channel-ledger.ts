import type { ChainAnswer, PostFields, PostTerms, Signer } from './chain.ts';
import type { EscrowState, EscrowTerms, StatedHead } from './escrow.ts';

/** The ledger as a provider needs it: which channels there are, what is in them, and how money comes out of them. */

/** Terms that were published on the ledger. */
export interface OpenedChannel {
  /** 32 bytes. */
  readonly channelId: Uint8Array;
  readonly terms: EscrowTerms;
}

export interface OpenedPage {
  readonly channels: readonly OpenedChannel[];
  /** Blocks up to this one have been searched, and no reorganisation takes them back. */
  readonly finalTo: number;
  /** Whether newer blocks remain to be searched. */
  readonly more: boolean;
}

/** Channels as of one block, in the order in which they were asked for. */
export interface ChannelsView {
  readonly block: number;
  /** The block's time, seconds since the epoch. */
  readonly time: number;
  readonly latest: readonly EscrowState[];
  /** As of the newest final block; undefined when the node keeps no state of it. */
  readonly final: readonly EscrowState[] | undefined;
}

/** A payer's word on what was delivered. */
export interface AcknowledgedRow {
  readonly terms: EscrowTerms;
  readonly seq: number;
  readonly cumulative: bigint;
  readonly receiptHash: Uint8Array;
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

export type PayoutAction =
  | {
      readonly kind: 'post-and-settle';
      readonly device: string;
      readonly post: PostFields;
      /** The device's signature over the batch, 65 bytes. */
      readonly signature: Uint8Array;
      /** All of one provider and token. */
      readonly rows: readonly AcknowledgedRow[];
    }
  | { readonly kind: 'settle'; readonly rows: readonly AcknowledgedRow[] }
  | {
      readonly kind: 'claim';
      readonly terms: EscrowTerms;
      readonly head: StatedHead;
      readonly maxCumulative: bigint;
      /** Seconds since the epoch. */
      readonly validUntil: number;
      /** The payer's, over the ceiling, 65 bytes. */
      readonly signature: Uint8Array;
    }
  | { readonly kind: 'release'; readonly terms: EscrowTerms };

export interface ChannelLedger {
  /** Channels that pay `provider`, opened in block `from` or later; some blocks at a time, oldest first. */
  opened(provider: string, from: number): Promise<ChainAnswer<OpenedPage>>;
  look(channelIds: readonly Uint8Array[]): Promise<ChainAnswer<ChannelsView>>;
  /** Pure: the signed transaction of an action, and its hash. */
  sign(action: PayoutAction, terms: PostTerms, signer: Signer): { raw: Uint8Array; hash: Uint8Array };
  /** Why the ledger would refuse an action of `from` now; null when it would not. */
  check(action: PayoutAction, from: string): Promise<ChainAnswer<string | null>>;
  /** Gas that an action may use. */
  gasOf(action: PayoutAction): number;
}

import type { ModuleOp } from '../store/types.ts';

/** Inference that customers pay for by channels, as doors and the serving of requests see it. */

/** What a request says about who pays, as it came. */
export interface ChannelParameters {
  /** The channel's id. */
  readonly channel: unknown;
  readonly ceiling?: unknown;
  readonly ack?: unknown;
}

export interface ChannelCall extends ChannelParameters {
  /** Who asks: `consumer/<name>`. */
  readonly account: string;
  readonly requestId: string;
  /** Model name, for what it will probably cost. */
  readonly model: string;
  readonly bytesIn: number;
  /** SHA-256 of the body. */
  readonly requestHash: Uint8Array;
}

export interface ChannelUse {
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  /** Epoch ms. */
  readonly startedAt: number;
  readonly computeUs: number;
  readonly bytesOut: number;
  /** SHA-256 of the answer without its receipt. */
  readonly answerHash: Uint8Array;
}

/** Room on a channel for one request. */
export interface Admission {
  /** Gives the room back when there is nothing to bill. Idempotent. */
  release(): void;
  /**
   * Bills the use: `finish` gets the receipt for the answer and gives what commits with it; when others were first it is asked
   * again, with another receipt. Resolves when all is stored. Rejects with CHANNEL_… when the use does not fit after all, and
   * with whatever the store says.
   */
  settle(use: ChannelUse, finish: (receipt: object) => readonly ModuleOp[]): Promise<void>;
}

export interface ChannelEvent {
  /** The channel's id, 0x… */
  readonly channel: string;
  readonly kind: 'state' | 'head';
  /** As JSON. */
  readonly document: object;
}

export interface Channels {
  /** Whether requests from outside must name a channel. */
  readonly required: boolean;
  /** Takes the payer's words and sets room aside. Rejects with CHANNEL_… */
  admit(call: ChannelCall): Promise<Admission>;
  /** Takes a ceiling or an acknowledgement; answers the channel's state. Rejects with CHANNEL_… */
  take(channel: string, kind: 'ceiling' | 'ack', document: unknown, account: string): Promise<object>;
  /** States of all channels, and of one. Throws CHANNEL_UNKNOWN. */
  list(): object[];
  show(channel: string): object;
  /** Receipts from a number on, oldest first. */
  receipts(channel: string, from: number, limit: number): Promise<object[]>;
  /** What is charged, and under which terms channels are served. */
  tariff(): object;
  /** Tells of changes; answers what ends it. */
  onEvent(listener: (event: ChannelEvent) => void): () => void;
}

import type { ModuleOp } from '../store/types.ts';

/** What one inference used. Integers only. */
export interface Usage {
  /** The result's or request's id: unique per channel, so that nothing is billed twice. */
  readonly requestId: string;
  /** Who is billed: the account of the pipeline or of the caller. */
  readonly account: string;
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  /** Epoch ms. */
  readonly startedAt: number;
  readonly computeUs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Request and answer as they went over the wire; only their salted hash enters the receipt. */
  readonly request: string;
  readonly answer: string;
  /** Seconds of the whole accelerator that were kept for the account: then this is a rent and no inference. */
  readonly rentS?: number;
}

/**
 * Many uses of one account and one model. Their texts lie one after the other as UTF-8, so that those of a receipt they
 * share are hashed without a string of each. Valid only while it is charged.
 */
export interface UsageBlock extends Pick<Usage, 'account' | 'model' | 'startedAt'> {
  /** At least one. */
  readonly count: number;
  /** Of all together. */
  readonly computeUs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Ids, a newline between them. */
  readonly ids: Uint8Array;
  /** Requests and answers, U+001E between them. */
  readonly requests: Uint8Array;
  readonly answers: Uint8Array;
  requestId(index: number): string;
  /** One of them by itself. */
  use(index: number): Usage;
}

export interface ChargeOptions {
  /**
   * What becomes of a request id that was billed with another body: `skip` (default) counts it and goes on, `error` fails
   * the whole transaction with BILLING_CONFLICT.
   */
  readonly onConflict?: 'skip' | 'error';
}

/**
 * Turns uses into store operations. The caller puts them into the same {@link Transaction} as its results, so an
 * answer and its receipt commit together or not at all. Cheap on the caller's thread: receipts are made and chained in
 * the writer thread.
 */
export interface Meter {
  charge(uses: readonly Usage[], options?: ChargeOptions): readonly ModuleOp[];
  chargeBlock(block: UsageBlock): readonly ModuleOp[];
}

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
}

import type { ChainAnswer, Signer } from './chain.ts';
import type { InChain } from './directory.ts';

/** The registry of benchmark results on a chain. */

/** What was measured, and how well it did. */
export interface BenchmarkRow {
  /** 32 bytes as `0x…`: SHA-256 of the model file. */
  readonly modelSha256: string;
  readonly runtime: string;
  readonly scenario: string;
  readonly metric: string;
  /** In millionths of the metric's unit. */
  readonly score: bigint;
}

/** Results of one report; signed by the device key. */
export interface BenchmarkReport {
  readonly device: string;
  /** 32 bytes as `0x…`. */
  readonly reportHash: string;
  /** Seconds since the epoch. */
  readonly measuredAt: number;
  readonly board: string;
  readonly rows: readonly BenchmarkRow[];
}

/** A device's newest result of something. */
export interface BenchmarkResult extends BenchmarkRow {
  readonly device: string;
  readonly reportHash: string;
  readonly measuredAt: number;
  readonly board: string;
}

export interface BenchmarkRegistry {
  readonly chainId: number;
  /** Of the contract, lower case. */
  readonly address: string;
  /** All results of what `wanted` accepts, as of one block. */
  results(
    wanted: (subject: Omit<BenchmarkRow, 'score'>) => boolean,
  ): Promise<ChainAnswer<readonly BenchmarkResult[]>>;
  /** Brings a signed report's results and waits until they are in the chain. Anyone may pay. */
  publish(report: BenchmarkReport, signature: Uint8Array, payer: Signer): Promise<ChainAnswer<InChain>>;
  /** Lets go of connections. */
  close(): void;
}

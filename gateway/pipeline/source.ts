import type { Reading } from '../stream/window.ts';

/** Takes one record of input number `input`, in order. */
export type TakeRecord = (input: number, record: Reading) => void;

/** Where a consumer gets its records from: one stream or several merged. */
export interface RecordSource {
  /** Stream names, in the order of the configuration. */
  readonly streams: readonly string[];
  /** Seq of the last record handed out, per input. */
  readonly position: readonly number[];
  /** Present heads, per input. */
  heads(): number[];
  /** Arrival of the newest record of all inputs, 0 when there is none. */
  lastArrival(): Promise<number>;
  /** Places the source; nothing after `until` is handed out when it is given. */
  seek(position: readonly number[], until: readonly number[] | null): void;
  /**
   * Hands out at most about `limit` records, in an order that depends on the records alone. Answers how many, or a
   * promise of it when they are not in memory; 0 when there is nothing to hand out at present.
   */
  pull(limit: number, take: TakeRecord): number | Promise<number>;
  /** Tells that every record with an arrival before `time` is committed. */
  barrier(time: number): void;
  /** Whether every record with an arrival before the time of the last barrier was handed out. */
  readonly settled: boolean;
  /** Arrival time from which the source needs a {@link barrier} to hand out more; Infinity when it needs none. */
  nextBarrier(): number;
  /** Calls `listener` when there may be more. Returns the function that ends it. */
  onMore(listener: () => void): () => void;
}

/** Counters of one model since the gateway started. */
export interface ModelStats {
  /** Batches computed. */
  runs: number;
  /** Items answered with an output. */
  items: number;
  largestBatch: number;
  /** Sum over items, microseconds. */
  computeUs: number;
  /** From the call of `run` to dispatch: sum over items and largest, milliseconds. */
  queueMs: number;
  queueMaxMs: number;
  /** Items answered with a code, by code. */
  readonly failures: Record<string, number>;
}

export function emptyStats(): ModelStats {
  return { runs: 0, items: 0, largestBatch: 0, computeUs: 0, queueMs: 0, queueMaxMs: 0, failures: {} };
}

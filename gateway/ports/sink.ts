/** One record on its way upstream. `body` is UTF-8 JSON and carries the same `id`. */
export interface UpstreamRecord {
  /** Stable across retries, restarts and replays: a receiver with a unique index sees each record once. */
  readonly id: string;
  readonly kind: 'reading' | 'result' | 'aggregate' | 'alarm' | 'receipt';
  /** The stream, pipeline or aggregate it comes from. */
  readonly source: string;
  readonly device: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly body: string;
}

/** How a delivery ended. "Not connected" is a value and not an exception. */
export type Delivery =
  /** All records were acknowledged by the receiver. */
  | { readonly kind: 'delivered' }
  /** The first `count` records were acknowledged; the rest must be sent again. */
  | { readonly kind: 'partial'; readonly count: number; readonly reason: string }
  /** Nothing can be said to have arrived; back off and try again. */
  | {
      readonly kind: 'unavailable';
      readonly reason: string;
      /** How long the receiver asked to be left alone (HTTP Retry-After). */
      readonly retryAfterMs?: number;
    }
  /** The receiver will never take record `index`; those before it were acknowledged. */
  | { readonly kind: 'refused'; readonly index: number; readonly reason: string };

/** A place upstream. Constructed pure. Delivery guarantee: at least once, in order, each with its stable id. */
export interface Sink {
  readonly id: string;
  /** Largest number of records one {@link deliver} should get. */
  readonly batch: number;
  /** Whether the link stands now; absent where only a delivery can tell. */
  readonly connected?: boolean;
  /** Sends records in order. Never rejects for reasons of the network. `signal` aborts waiting. */
  deliver(records: readonly UpstreamRecord[], signal: AbortSignal): Promise<Delivery>;
  /** Called when the sink may have become reachable again, so that back-off ends at once. */
  onReady(listener: () => void): void;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

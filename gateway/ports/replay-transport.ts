/** One message of recorded data on its way into the default door of a stream. */
export interface ReplayMessage {
  readonly stream: string;
  readonly device: string;
  readonly payload: Uint8Array;
  /** CoAP Content-Format of the payload (RFC 7252 §12.3). */
  readonly contentFormat: number;
}

/** What the door said. A door that cannot tell a rejected payload from a stored one says `acknowledged`. */
export type ReplayAnswer =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'rejected'; readonly reason: string };

/** The client side of a door, for recorded data. Constructed pure. */
export interface ReplayTransport {
  /** For people: `mqtt://127.0.0.1:1883`. */
  readonly target: string;
  /** Messages that may wait for their acknowledgement at a time. */
  readonly window: number;
  /** Whether messages arrive in the order of `send`; if not, the caller keeps one per device under way. */
  readonly ordered: boolean;
  /** Times that a message or a connection had to be tried again. */
  readonly retries: number;
  /** Rejects with REPLAY_CONNECT when the door cannot be reached at first. */
  open(signal: AbortSignal): Promise<void>;
  /**
   * Delivers one message, across lost connections and restarts of the gateway: at least once. Rejects only with
   * REPLAY_STOPPED after `close` or when `signal` of {@link open} fires, or when the door will never take it.
   */
  send(message: ReplayMessage): Promise<ReplayAnswer>;
  close(): Promise<void>;
}

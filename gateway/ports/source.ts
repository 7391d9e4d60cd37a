import type { GatewayError } from '../errors.ts';
import type { ModuleOp } from '../store/types.ts';
import type { Principal } from './access.ts';

/** One message from a device. `payload` may be reused by the door after {@link Intake.offer} has returned. */
export interface Inbound {
  /** The kind of door: `mqtt`, `coap`, `http`. */
  readonly door: string;
  /** MQTT topic, or the CoAP path without its leading slash. */
  readonly address: string;
  readonly payload: Uint8Array;
  /** CoAP Content-Format (RFC 7252 §12.3), when the door knows one. */
  readonly contentFormat?: number | undefined;
  readonly principal?: Principal | undefined;
  /** MQTT only: the quality of service it came with. */
  readonly qos?: 0 | 1 | 2;
  /** MQTT 5 only: Response Topic, Correlation Data and Content Type. */
  readonly properties?: InboundProperties | undefined;
  /** What the door itself has to remember of this message: stored in one transaction with it, or not at all. */
  readonly ops?: readonly ModuleOp[] | undefined;
}

export interface InboundProperties {
  readonly responseTopic?: string;
  readonly correlation?: Uint8Array;
  readonly contentType?: string;
}

/** What became of a message. Only `stored`, `rejected` and `unrouted` may be acknowledged. */
export type Disposition =
  /** Every reading of it is in the journal, synced as `durability` says. */
  | { readonly kind: 'stored'; readonly readings: number }
  /** Could not be decoded; kept with its reason in the rejected store, which is as durable as the journal. */
  | { readonly kind: 'rejected'; readonly error: GatewayError }
  /** No stream maps this address. */
  | { readonly kind: 'unrouted' }
  /** Not stored (full, stopping): must not be acknowledged; the sender should try again. */
  | { readonly kind: 'refused'; readonly error: GatewayError };

/** Where a door hands its messages. The acknowledgement travels with the message: `done` runs exactly once. */
export interface Intake {
  /** Whether some stream maps the address: cheap, no decoding, cached. */
  routes(door: string, address: string): boolean;
  /**
   * Routes, decodes and journals one message. `done` runs after the group commit that holds it (or at once for
   * `unrouted`, whose `ops` are not run), and gets the message too, so that it can be one function for all. Never throws. A door that has more than `highWater` bytes outstanding should stop reading.
   */
  offer<M extends Inbound>(message: M, done: (disposition: Disposition, message: M) => void): void;
}

/** A door: lets devices in. Constructed pure; `stop` undoes all that `start` did and may follow a failed start. */
export interface Source {
  readonly name: string;
  /** Resolves when the door accepts traffic. `signal` aborts a half-done start. */
  start(signal: AbortSignal): Promise<void>;
  /** Stops accepting, lets what is being acknowledged finish, closes. Idempotent. */
  stop(): Promise<void>;
  /** Where it listens or what it is connected to, for people: `mqtt://127.0.0.1:1883`. */
  readonly addresses: readonly string[];
}

import type { ModuleOp } from '../store/types.ts';

/** A message the gateway itself sends to its local clients. */
export interface Outbound {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** MQTT 5 properties; brokers of older versions leave them out. */
  readonly properties?: {
    readonly correlation?: Uint8Array;
    readonly contentType?: string;
    readonly user?: Readonly<Record<string, string>>;
  };
}

/** Messages that are ready to be stored together with something else. */
export interface Prepared {
  /** What must be stored for them to be durable. */
  readonly ops: readonly ModuleOp[];
  /** To be called once: they then go out to those who are connected, or are forgotten. */
  settle(stored: boolean): void;
}

/** The way out over MQTT: the embedded broker, or the external one in its place. */
export interface Publisher {
  /**
   * Hands all messages over in order. Resolves when the broker has them as durably as their QoS says (for QoS ≥ 1:
   * queued for every persistent session, or acknowledged by the external broker). Rejects when it could not; the
   * caller keeps its cursor and tries again, so a message may repeat with the same id.
   */
  publish(messages: readonly Outbound[]): Promise<void>;
  /**
   * Prepares messages that shall be published if and only if a transaction of the caller commits. Absent when the
   * broker keeps its messages elsewhere.
   */
  prepare?(messages: readonly Outbound[]): Prepared;
}

/** A message the gateway itself sends to its local clients. */
export interface Outbound {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** The way out over MQTT: the embedded broker, or the external one in its place. */
export interface Publisher {
  /**
   * Hands all messages over in order. Resolves when the broker has them as durably as their QoS says (for QoS ≥ 1:
   * queued for every persistent session, or acknowledged by the external broker). Rejects when it could not; the
   * caller keeps its cursor and tries again, so a message may repeat with the same id.
   */
  publish(messages: readonly Outbound[]): Promise<void>;
}

/** One change to the broker's durable state, as it travels to the writer thread. Applying one twice changes nothing. */
export type Change =
  /** `seen`: when the session's client was last connected (ms since the epoch); null while it is. */
  | {
      readonly kind: 'session';
      readonly client: string;
      readonly owner: string;
      readonly seen: number | null;
    }
  /** Ends a session with its subscriptions, queue and identifiers. */
  | { readonly kind: 'end'; readonly client: string }
  | { readonly kind: 'subscribe'; readonly client: string; readonly filter: string; readonly options: string }
  | { readonly kind: 'unsubscribe'; readonly client: string; readonly filter: string }
  | {
      readonly kind: 'message';
      readonly id: number;
      readonly topic: string;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'forget'; readonly id: number }
  | {
      readonly kind: 'queue';
      readonly client: string;
      readonly id: number;
      readonly qos: number;
      readonly retain: boolean;
    }
  /** The message was sent under a packet identifier; `released`: PUBREC has come, PUBREL is due. */
  | {
      readonly kind: 'sent';
      readonly client: string;
      readonly id: number;
      readonly packet: number;
      readonly released: boolean;
    }
  | { readonly kind: 'done'; readonly client: string; readonly id: number }
  /** `payload` null: the topic has no retained message any more. */
  | {
      readonly kind: 'retain';
      readonly topic: string;
      readonly payload: Uint8Array | null;
      readonly qos: number;
    }
  /** A QoS 2 packet identifier was taken, or its PUBREL has come. */
  | { readonly kind: 'incoming'; readonly client: string; readonly packet: number; readonly held: boolean }
  | {
      readonly kind: 'will';
      readonly client: string;
      readonly will: StoredWill | null;
    };

export interface StoredWill {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
}

/** Everything the broker had when it last committed. */
export interface StoredState {
  readonly sessions: { client: string; owner: string; seen: number | null }[];
  readonly subscriptions: { client: string; filter: string; options: string }[];
  readonly messages: { id: number; topic: string; payload: Uint8Array }[];
  readonly queue: {
    client: string;
    id: number;
    qos: number;
    retain: number;
    packet: number | null;
    released: number;
  }[];
  readonly retained: { topic: string; payload: Uint8Array; qos: number }[];
  readonly incoming: { client: string; packet: number }[];
  readonly wills: ({ client: string } & { [K in keyof StoredWill]: StoredWill[K] })[];
}

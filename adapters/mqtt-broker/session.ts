/** A message that waits for one or more sessions; its payload is held once. */
export interface Message {
  /** Durable number, increasing. */
  readonly id: number;
  readonly topic: string;
  readonly payload: Buffer;
  references: number;
}

/** In place of a packet identifier: not sent yet. */
export const UNSENT = -1;

/** A message in the queue of one session. */
export interface Entry {
  readonly message: Message;
  readonly qos: 1 | 2;
  /** Whether it is the retained copy that a new subscription gets [MQTT-3.3.1-8]. */
  readonly retain: boolean;
  /** Packet identifier it was sent under; {@link UNSENT} before. */
  packet: number;
  /** QoS 2: PUBREC has come, PUBREL is what is to be sent. */
  released: boolean;
  /** Whether it was sent on an earlier connection, so that sending it again is a duplicate [MQTT-3.3.1-1]. */
  dup: boolean;
  /** Whether it may be sent: its own commit is done. */
  ready: boolean;
  previous: Entry | null;
  next: Entry | null;
}

export interface SubscriptionOptions {
  readonly qos: 0 | 1 | 2;
  readonly rh?: number;
  readonly rap?: boolean;
  readonly nl?: boolean;
  readonly subscriptionIdentifier?: number;
}

/** How far a QoS 2 message from the client has come. */
export type IncomingState =
  /** Its commit is under way; who else waits for it is in `waiting`. */
  | { kind: 'committing'; waiting: ((error: Error | null) => void)[] }
  /** Committed, about to be handed on. */
  | { kind: 'committed' }
  /** Handed on: PUBREC is all that a repetition gets. */
  | { kind: 'held'; packet: unknown };

/** State that outlives a connection (MQTT 3.1.1 §4.1). */
export class Session {
  readonly client: string;
  /** Name of the principal that opened it; nobody else may take it over. */
  owner: string;
  connected = false;
  /** When its client was last connected, ms since the epoch; meaningless while it is. */
  seen = 0;
  readonly subscriptions = new Map<string, SubscriptionOptions>();
  readonly incoming = new Map<number, IncomingState>();
  /** First and last of the queue; `cursor` is the next to be sent on this connection. */
  head: Entry | null = null;
  tail: Entry | null = null;
  cursor: Entry | null = null;
  readonly entries = new Map<number, Entry>();
  readonly byPacket = new Map<number, Entry>();
  /** Told when there is something new to send; set while the client is connected. */
  onQueued: (() => void) | null = null;
  #lastPacket = 0;

  constructor(client: string, owner: string) {
    this.client = client;
    this.owner = owner;
  }

  /** Entries sent and not acknowledged yet. */
  get inFlight(): number {
    return this.byPacket.size;
  }

  append(message: Message, qos: 1 | 2, ready: boolean, retain = false): Entry {
    const entry: Entry = {
      message,
      qos,
      retain,
      packet: UNSENT,
      released: false,
      dup: false,
      ready,
      previous: this.tail,
      next: null,
    };
    if (this.tail) this.tail.next = entry;
    else this.head = entry;
    this.tail = entry;
    this.cursor ??= entry;
    this.entries.set(message.id, entry);
    message.references++;
    return entry;
  }

  /** Takes an entry out; answers whether no session needs its message any more. */
  remove(entry: Entry): boolean {
    if (entry.previous) entry.previous.next = entry.next;
    else this.head = entry.next;
    if (entry.next) entry.next.previous = entry.previous;
    else this.tail = entry.previous;
    if (this.cursor === entry) this.cursor = entry.next;
    this.entries.delete(entry.message.id);
    if (entry.packet !== UNSENT && this.byPacket.get(entry.packet) === entry)
      this.byPacket.delete(entry.packet);
    return --entry.message.references === 0;
  }

  /** A new connection: everything unacknowledged is to be sent again, in order [MQTT-4.4.0-1]. */
  rewind(): void {
    this.cursor = this.head;
    for (let entry = this.head; entry; entry = entry.next) if (entry.packet !== UNSENT) entry.dup = true;
  }

  /** A packet identifier that nothing in flight uses. */
  nextPacket(): number {
    do {
      this.#lastPacket = this.#lastPacket === 65535 ? 1 : this.#lastPacket + 1;
    } while (this.byPacket.has(this.#lastPacket));
    return this.#lastPacket;
  }

  assign(entry: Entry, packet: number): void {
    if (entry.packet !== UNSENT && this.byPacket.get(entry.packet) === entry)
      this.byPacket.delete(entry.packet);
    entry.packet = packet;
    this.byPacket.set(packet, entry);
  }
}

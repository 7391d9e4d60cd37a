import type { Change, StoredState } from './changes.ts';
import { type Entry, type Message, Session, type SubscriptionOptions } from './session.ts';
import { TopicTree } from './topic-tree.ts';

export interface SessionLimits {
  readonly maxSessions: number;
  /** Messages in the queue of one session. */
  readonly maxQueuedMessages: number;
  /** Bytes of all queued messages together. */
  readonly maxQueuedBytes: number;
  /** QoS 2 messages of one client that wait for its PUBREL. */
  readonly maxIncoming: number;
}

export interface StoredSubscription extends SubscriptionOptions {
  readonly clientId: string;
  readonly topic: string;
}

/** A message on its way into the queues of these sessions. */
export interface Queued {
  readonly id: number;
  readonly sessions: readonly Session[];
}

/** What each kept message costs besides its topic and payload, roughly. */
const MESSAGE_OVERHEAD = 200;

const sizeOf = (message: Message): number => message.payload.length + message.topic.length + MESSAGE_OVERHEAD;

/**
 * The broker's persistent sessions, in memory, each change of which is also told to `write` so that it becomes
 * durable. Knows nothing of connections.
 */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #write: (change: Change) => void;
  readonly #sessions = new Map<string, Session>();
  /** QoS 2 identifiers of clients with a clean session. */
  readonly #clean = new Map<string, Session>();
  /** Subscriptions of QoS 1 and 2: those for which messages are queued. */
  readonly #queued = new TopicTree<StoredSubscription>();
  #lastMessage = 0;
  #bytes = 0;
  #messages = 0;
  #dropped = 0;

  constructor(limits: SessionLimits, write: (change: Change) => void) {
    this.#limits = limits;
    this.#write = write;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** QoS 2 messages of one client that may wait for its PUBREL. */
  get maxIncoming(): number {
    return this.#limits.maxIncoming;
  }

  /** Messages queued, their bytes, and how many were not queued because a bound was reached. */
  get queue(): { messages: number; bytes: number; dropped: number } {
    return { messages: this.#messages, bytes: this.#bytes, dropped: this.#dropped };
  }

  get subscriptionCount(): number {
    return this.#queued.size;
  }

  /** Whether another session may begin. */
  get full(): boolean {
    return this.#sessions.size >= this.#limits.maxSessions;
  }

  get(client: string): Session | undefined {
    return this.#sessions.get(client);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Restores what an earlier run had; sessions that were connected then count as seen `now`. */
  restore(state: StoredState, now: number): void {
    this.#sessions.clear();
    this.#clean.clear();
    this.#queued.clear();
    this.#messages = 0;
    this.#bytes = 0;
    for (const row of state.sessions) {
      const session = new Session(row.client, row.owner);
      session.seen = row.seen ?? now;
      this.#sessions.set(row.client, session);
    }
    for (const row of state.subscriptions) {
      const session = this.#sessions.get(row.client);
      if (session) this.#subscribe(session, row.filter, JSON.parse(row.options) as SubscriptionOptions);
    }
    for (const row of state.incoming)
      this.#sessions.get(row.client)?.incoming.set(row.packet, { kind: 'held', packet: null });
    const messages = new Map<number, Message>();
    for (const { id, topic, payload } of state.messages) {
      this.#lastMessage = Math.max(this.#lastMessage, id);
      messages.set(id, { id, topic, payload: Buffer.from(payload), references: 0 });
    }
    for (const row of state.queue) {
      const message = messages.get(row.id);
      const session = this.#sessions.get(row.client);
      if (!message || !session) continue;
      const entry = session.append(message, row.qos === 2 ? 2 : 1, true, row.retain !== 0);
      if (row.packet !== null) session.assign(entry, row.packet);
      entry.released = row.released !== 0;
    }
    for (const message of messages.values()) {
      if (message.references === 0) this.#write({ kind: 'forget', id: message.id });
      else this.#count(message, 1);
    }
  }

  /** The client's session; begins one when there is none. */
  open(client: string, owner: string): Session {
    let session = this.#sessions.get(client);
    if (!session) {
      session = new Session(client, owner);
      this.#sessions.set(client, session);
    }
    return session;
  }

  /** Marks a session as connected or not. */
  attach(session: Session, connected: boolean, now: number): void {
    session.connected = connected;
    session.seen = now;
    const seen = connected ? null : now;
    this.#write({ kind: 'session', client: session.client, owner: session.owner, seen });
  }

  /** Ends a session and forgets all it held. */
  end(client: string): void {
    const session = this.#sessions.get(client);
    if (!session) return;
    for (const filter of session.subscriptions.keys()) this.#queued.delete(filter, client);
    while (session.head) this.#unqueue(session, session.head);
    this.#sessions.delete(client);
    this.#write({ kind: 'end', client });
  }

  /** Ends sessions whose client has been away for `expiry` ms. Answers how many. */
  expire(now: number, expiry: number): number {
    let ended = 0;
    for (const session of this.#sessions.values()) {
      if (session.connected || session.seen + expiry > now) continue;
      this.end(session.client);
      ended++;
    }
    return ended;
  }

  subscribe(session: Session, filter: string, options: SubscriptionOptions): void {
    this.#subscribe(session, filter, options);
    this.#write({ kind: 'subscribe', client: session.client, filter, options: JSON.stringify(options) });
  }

  #subscribe(session: Session, filter: string, options: SubscriptionOptions): void {
    session.subscriptions.set(filter, options);
    if (options.qos > 0)
      this.#queued.set(filter, session.client, { clientId: session.client, topic: filter, ...options });
    else this.#queued.delete(filter, session.client);
  }

  unsubscribe(session: Session, filter: string): void {
    if (!session.subscriptions.delete(filter)) return;
    this.#queued.delete(filter, session.client);
    this.#write({ kind: 'unsubscribe', client: session.client, filter });
  }

  /** Subscriptions of QoS 1 and 2 that match a topic. */
  matching(topic: string): readonly StoredSubscription[] {
    return this.#queued.match(topic);
  }

  /**
   * Puts a message into the queue of every session that has a subscription for it, not to be sent before
   * {@link Queued} says so. Answers null when no session wants it. Sessions whose queue is full are passed over and
   * counted.
   */
  enqueue(topic: string, payload: Uint8Array, qos: 1 | 2): Queued | null {
    const wanted = this.#queued.match(topic);
    if (wanted.length === 0) return null;
    const message = this.store(topic, Buffer.from(payload));
    const sessions: Session[] = [];
    for (const subscription of wanted) {
      const session = this.#sessions.get(subscription.clientId)!;
      const best = this.#bestQos(wanted, session.client);
      if (this.append(session, message, Math.min(qos, best) === 2 ? 2 : 1, false)) sessions.push(session);
    }
    return sessions.length > 0 ? { id: message.id, sessions } : null;
  }

  /**
   * Puts the retained message of a topic into the queue of a session that has just subscribed to it. Answers whether
   * there was room.
   */
  appendRetained(session: Session, topic: string, payload: Buffer, qos: 1 | 2): boolean {
    if (!this.#hasRoom(session)) return false;
    this.append(session, this.store(topic, payload), qos, true, true);
    session.onQueued?.();
    return true;
  }

  #hasRoom(session: Session): boolean {
    const { maxQueuedMessages, maxQueuedBytes } = this.#limits;
    return session.entries.size < maxQueuedMessages && this.#bytes < maxQueuedBytes;
  }

  /** The commit of a queued message is done: its sessions may send it. */
  confirm(queued: Queued): void {
    for (const session of queued.sessions) {
      const entry = session.entries.get(queued.id);
      if (!entry) continue;
      entry.ready = true;
      session.onQueued?.();
    }
  }

  /** The message of these entries was refused: they are taken back. */
  withdraw(queued: Queued): void {
    for (const session of queued.sessions) {
      const entry = session.entries.get(queued.id);
      if (entry && !entry.ready) this.finish(session, entry);
    }
  }

  /** [MQTT-3.3.5-1]: the highest QoS of a client's overlapping subscriptions counts. */
  #bestQos(wanted: readonly StoredSubscription[], client: string): number {
    let best = 0;
    for (const subscription of wanted)
      if (subscription.clientId === client && subscription.qos > best) best = subscription.qos;
    return best;
  }

  /** A new message; it lives as long as some session has it in its queue. */
  store(topic: string, payload: Buffer): Message {
    return { id: ++this.#lastMessage, topic, payload, references: 0 };
  }

  /** Puts a message into one queue, if it is not there yet and the bounds allow it. */
  append(session: Session, message: Message, qos: 1 | 2, ready: boolean, retain = false): Entry | null {
    if (session.entries.has(message.id)) return null;
    if (!this.#hasRoom(session)) {
      this.#dropped++;
      return null;
    }
    const first = message.references === 0;
    const entry = session.append(message, qos, ready, retain);
    if (first) {
      this.#count(message, 1);
      this.#write({ kind: 'message', id: message.id, topic: message.topic, payload: message.payload });
    }
    this.#write({ kind: 'queue', client: session.client, id: message.id, qos, retain });
    return entry;
  }

  /** Notes under which identifier an entry goes out. Answers whether that must be durable before it does. */
  sent(session: Session, entry: Entry, packet: number): boolean {
    session.assign(entry, packet);
    // QoS 1 may be repeated under another identifier; QoS 2 must keep its own across a crash [MQTT-4.3.3-1].
    if (entry.qos === 1) return false;
    const { client } = session;
    this.#write({ kind: 'sent', client, id: entry.message.id, packet, released: entry.released });
    return true;
  }

  /** PUBREC has come. */
  release(session: Session, entry: Entry): void {
    entry.released = true;
    const { client } = session;
    this.#write({ kind: 'sent', client, id: entry.message.id, packet: entry.packet, released: true });
  }

  /** The client has the message: PUBACK or PUBCOMP has come. */
  finish(session: Session, entry: Entry): void {
    this.#write({ kind: 'done', client: session.client, id: entry.message.id });
    this.#unqueue(session, entry);
  }

  /** Takes messages out of a queue that its client may not have (any more). */
  discard(session: Session, forbidden: (topic: string) => boolean): void {
    for (let entry = session.head; entry; ) {
      const { next } = entry;
      if (forbidden(entry.message.topic)) this.finish(session, entry);
      entry = next;
    }
  }

  #unqueue(session: Session, entry: Entry): void {
    if (!session.remove(entry)) return;
    this.#count(entry.message, -1);
    this.#write({ kind: 'forget', id: entry.message.id });
  }

  /** Where the QoS 2 identifiers of a client are kept; those of a clean session live only as long as it. */
  incoming(client: { readonly id: string; readonly clean?: boolean }): Session {
    if (!client.clean) return this.open(client.id, '');
    let session = this.#clean.get(client.id);
    if (!session) {
      session = new Session(client.id, '');
      this.#clean.set(client.id, session);
    }
    return session;
  }

  clearIncoming(client: { readonly id: string; readonly clean?: boolean }): void {
    this.#clean.delete(client.id);
    const session = this.#sessions.get(client.id);
    if (!session || client.clean) return;
    for (const packet of session.incoming.keys()) this.hold(session, packet, false);
    session.incoming.clear();
  }

  /** Notes that a QoS 2 identifier was taken or let go. Answers whether that is a durable change. */
  hold(session: Session, packet: number, held: boolean): boolean {
    if (this.#sessions.get(session.client) !== session) return false;
    this.#write({ kind: 'incoming', client: session.client, packet, held });
    return true;
  }

  #count(message: Message, sign: 1 | -1): void {
    this.#messages += sign;
    this.#bytes += sign * sizeOf(message);
  }
}

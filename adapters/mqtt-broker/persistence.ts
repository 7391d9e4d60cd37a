import { Readable } from 'node:stream';
import type { StoredWill } from './changes.ts';
import type { Retained, RetainedPacket } from './retained.ts';
import { type Entry, type Session, type SubscriptionOptions, UNSENT } from './session.ts';
import type { Sessions, StoredSubscription } from './sessions.ts';
import type { StateLog } from './state-log.ts';

/** What the broker knows of a client when it calls its persistence. */
export interface ClientLike {
  readonly id: string;
  readonly clean?: boolean;
}

/** A packet as aedes passes it around. */
export interface PacketLike {
  cmd?: string;
  brokerId?: string | undefined;
  brokerCounter?: number | undefined;
  topic?: string;
  payload?: Buffer | string;
  qos?: number;
  retain?: boolean;
  dup?: boolean;
  messageId?: number | undefined;
}

export interface WillLike extends StoredWill {
  brokerId?: string;
  clientId?: string;
}

interface Subscription extends SubscriptionOptions {
  readonly topic: string;
}

/** Marks an entry with the identity under which aedes hands the packet back. */
const identity = new WeakMap<Entry, { brokerId: string | undefined; brokerCounter: number | undefined }>();

const NO_SUCH_PACKET = new Error('no such packet');
/**
 * The answer for each new QoS 2 message, and nobody looks at it: an error with its stack, and a promise that is rejected
 * before somebody waits for it, cost more than the message.
 */
const NOT_THERE: Promise<never> = Promise.reject(NO_SUCH_PACKET);
NOT_THERE.catch(() => undefined);

/**
 * The broker's state in the form aedes asks for (the contract of aedes-persistence 11). Every promise resolves when the
 * change it stands for is durable, except where nothing is lost by a crash.
 */
export class Persistence {
  readonly sessions: Sessions;
  readonly retained: Retained;
  readonly #log: StateLog;
  readonly #wills = new Map<string, WillLike>();
  #broker: { readonly id: string } | null = null;

  constructor(sessions: Sessions, retained: Retained, log: StateLog) {
    this.sessions = sessions;
    this.retained = retained;
    this.#log = log;
  }

  get broker(): { readonly id: string } | null {
    return this.#broker;
  }

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#broker = broker;
  }

  async storeRetained(packet: PacketLike): Promise<void> {
    this.retained.set({ ...packet } as RetainedPacket);
    await this.#log.durable();
  }

  createRetainedStream(filter: string): Readable {
    return Readable.from(this.retained.match(filter));
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    const { retained } = this;
    return Readable.from(
      (function* () {
        for (const filter of filters) yield* retained.match(filter);
      })(),
    );
  }

  async addSubscriptions(client: ClientLike, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.sessions.open(client.id, '');
    for (const { topic, qos, rh, rap, nl, subscriptionIdentifier } of subscriptions) {
      const options = {
        qos,
        ...(rh === undefined ? {} : { rh }),
        ...(rap === undefined ? {} : { rap }),
        ...(nl === undefined ? {} : { nl }),
        ...(subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }),
      };
      this.sessions.subscribe(session, topic, options);
    }
    await this.#log.durable();
  }

  async removeSubscriptions(client: ClientLike, filters: readonly string[]): Promise<void> {
    const session = this.sessions.get(client.id);
    if (!session) return;
    for (const filter of filters) this.sessions.unsubscribe(session, filter);
    await this.#log.durable();
  }

  async subscriptionsByClient(client: ClientLike): Promise<Subscription[]> {
    const stored = this.sessions.get(client.id)?.subscriptions ?? [];
    return Array.from(stored, ([topic, options]) => ({ topic, ...options }));
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    let clientsCount = 0;
    for (const session of this.sessions.all()) if (session.subscriptions.size > 0) clientsCount++;
    return { subsCount: this.sessions.subscriptionCount, clientsCount };
  }

  async subscriptionsByTopic(topic: string): Promise<readonly StoredSubscription[]> {
    return this.sessions.matching(topic);
  }

  /** A session begins anew [MQTT-3.1.2-6]: what the client left behind goes before it is greeted. */
  async cleanSubscriptions(client: ClientLike): Promise<void> {
    if (!this.sessions.get(client.id)) return;
    this.sessions.end(client.id);
    await this.#log.durable();
  }

  async outgoingEnqueue(subscription: { clientId: string }, packet: PacketLike): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet);
  }

  async outgoingEnqueueCombi(
    subscriptions: readonly { clientId: string }[],
    packet: PacketLike,
  ): Promise<void> {
    const sessions = subscriptions.map((subscription) => this.sessions.open(subscription.clientId, ''));
    const payload = packet.payload ?? Buffer.alloc(0);
    const message = this.sessions.store(packet.topic ?? '', payload as Buffer);
    for (const session of sessions) {
      const entry = this.sessions.append(session, message, packet.qos === 2 ? 2 : 1, true);
      if (entry) identity.set(entry, { brokerId: packet.brokerId, brokerCounter: packet.brokerCounter });
    }
    await this.#log.durable();
  }

  async outgoingUpdate(client: ClientLike, packet: PacketLike): Promise<void> {
    const session = this.sessions.get(client.id);
    if (!session || packet.messageId === undefined) return;
    if (packet.cmd === 'pubrel') {
      // A PUBREC for something unknown is answered all the same, so that the client can let go of it.
      const entry = session.byPacket.get(packet.messageId);
      if (!entry) return;
      if (!entry.released) this.sessions.release(session, entry);
      await this.#log.durable();
      return;
    }
    const entry = find(session, packet);
    if (entry && this.sessions.sent(session, entry, packet.messageId)) await this.#log.durable();
  }

  /** PUBACK or PUBCOMP: nothing is lost when a crash undoes it, the message is only sent once more. */
  async outgoingClearMessageId(client: ClientLike, packet: PacketLike): Promise<PacketLike | undefined> {
    const session = this.sessions.get(client.id);
    const entry = packet.messageId === undefined ? undefined : session?.byPacket.get(packet.messageId);
    if (!session || !entry) return undefined;
    const cleared = toPacket(entry);
    this.sessions.finish(session, entry);
    session.onQueued?.();
    return cleared;
  }

  /** What waits for a client; nothing while it is connected, because its connection sends the queue itself. */
  outgoingStream(client: ClientLike): Readable {
    const packets: PacketLike[] = [];
    const session = this.sessions.get(client.id);
    if (session && !session.connected)
      for (let entry = session.head; entry; entry = entry.next) packets.push(toPacket(entry));
    return Readable.from(packets);
  }

  async incomingStorePacket(client: ClientLike, packet: PacketLike): Promise<void> {
    const session = this.sessions.incoming(client);
    const { messageId } = packet;
    if (messageId === undefined) return;
    if (session.incoming.get(messageId)?.kind === 'committed') {
      // Its identifier went into the commit of the message itself; the message is not needed again.
      session.incoming.set(messageId, { kind: 'held', packet: null });
      return;
    }
    const { cmd, topic, payload, qos, retain, dup } = packet;
    const kept = { cmd, topic, payload, qos, retain, dup, messageId };
    session.incoming.set(messageId, { kind: 'held', packet: kept });
    this.sessions.hold(session, messageId, true);
    await this.#log.durable();
  }

  incomingGetPacket(client: ClientLike, packet: PacketLike): Promise<PacketLike> {
    const state = this.sessions.incoming(client).incoming.get(packet.messageId ?? -1);
    if (state?.kind !== 'held') return NOT_THERE;
    return Promise.resolve((state.packet as PacketLike | null) ?? { messageId: packet.messageId });
  }

  /** PUBREL: must be durable before PUBCOMP, else the identifier's next use would be taken for a repetition. */
  async incomingDelPacket(client: ClientLike, packet: PacketLike): Promise<void> {
    const session = this.sessions.incoming(client);
    if (packet.messageId === undefined || !session.incoming.delete(packet.messageId)) throw NO_SUCH_PACKET;
    if (this.sessions.hold(session, packet.messageId, false)) await this.#log.durable();
  }

  async cleanIncoming(client: ClientLike): Promise<void> {
    this.sessions.clearIncoming(client);
  }

  async putWill(client: ClientLike, will: WillLike): Promise<void> {
    will.brokerId = this.#broker?.id ?? '';
    will.clientId = client.id;
    this.#wills.set(client.id, will);
    const { topic, payload, qos, retain } = will;
    this.#log.add({ kind: 'will', client: client.id, will: { topic, payload, qos, retain } });
    await this.#log.durable();
  }

  async getWill(client: ClientLike): Promise<WillLike | undefined> {
    return this.#wills.get(client.id);
  }

  async delWill(client: ClientLike): Promise<WillLike | undefined> {
    const will = this.#wills.get(client.id);
    if (will) this.#log.add({ kind: 'will', client: client.id, will: null });
    this.#wills.delete(client.id);
    return will;
  }

  streamWill(brokers: Readonly<Record<string, number>> = {}): Readable {
    return Readable.from([...this.#wills.values()].filter((will) => !brokers[will.brokerId ?? '']));
  }

  getClientList(filter: string): Readable {
    const clients: string[] = [];
    for (const session of this.sessions.all())
      if (session.subscriptions.has(filter)) clients.push(session.client);
    return Readable.from(clients);
  }

  async destroy(): Promise<void> {
    await this.#log.idle();
  }
}

function find(session: Session, packet: PacketLike): Entry | undefined {
  for (let entry = session.head; entry; entry = entry.next) {
    const known = identity.get(entry);
    if (known && known.brokerId === packet.brokerId && known.brokerCounter === packet.brokerCounter)
      return entry;
  }
  return packet.messageId === undefined ? undefined : session.byPacket.get(packet.messageId);
}

function toPacket(entry: Entry): PacketLike {
  const messageId = entry.packet === UNSENT ? undefined : entry.packet;
  if (entry.released) return { cmd: 'pubrel', messageId };
  const { topic, payload } = entry.message;
  const { brokerId, brokerCounter } = identity.get(entry) ?? {};
  return {
    cmd: 'publish',
    brokerId,
    brokerCounter,
    topic,
    payload,
    qos: entry.qos,
    retain: entry.retain,
    dup: entry.dup,
    messageId,
  };
}

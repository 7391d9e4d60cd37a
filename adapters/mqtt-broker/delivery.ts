import type { Connection } from './connection.ts';
import { TopicTree } from './topic-tree.ts';

interface Subscriber {
  readonly connection: Connection;
  readonly qos: 0 | 1 | 2;
}

/** One subscriber per connection: the highest QoS of its overlapping filters counts [MQTT-3.3.5-1]. */
function perConnection(found: Subscriber[]): Subscriber[] {
  if (found.length < 2) return found;
  const best = new Map<Connection, Subscriber>();
  for (const subscriber of found) {
    const known = best.get(subscriber.connection);
    if (!known || known.qos < subscriber.qos) best.set(subscriber.connection, subscriber);
  }
  return [...best.values()];
}

/** Which connections want which topics, and handing messages to them. */
export class Delivery {
  readonly #tree = new TopicTree<Subscriber>(perConnection);
  #delivered = 0;
  #dropped = 0;

  get stats(): { subscriptions: number; delivered: number; dropped: number } {
    return { subscriptions: this.#tree.size, delivered: this.#delivered, dropped: this.#dropped };
  }

  subscribe(connection: Connection, filter: string, qos: 0 | 1 | 2): void {
    connection.filters.set(filter, qos);
    this.#tree.set(filter, connection, { connection, qos });
  }

  unsubscribe(connection: Connection, filter: string): void {
    if (connection.filters.delete(filter)) this.#tree.delete(filter, connection);
  }

  /** Forgets a connection that has ended. */
  remove(connection: Connection): void {
    for (const filter of connection.filters.keys()) this.#tree.delete(filter, connection);
    connection.filters.clear();
  }

  wanted(topic: string): boolean {
    return this.#tree.match(topic).length > 0;
  }

  /** The QoS a connection may get a topic with, at most: that of its best matching filter. */
  qosOf(connection: Connection, topic: string): 0 | 1 | 2 {
    for (const subscriber of this.#tree.match(topic))
      if (subscriber.connection === connection) return subscriber.qos;
    return 0;
  }

  /** Sends a message to everyone who wants it, except for what a persistent session has in its queue. */
  deliver(topic: string, message: string | Uint8Array, qos: 0 | 1 | 2): void {
    const subscribers = this.#tree.match(topic);
    const payload = subscribers.length > 1 && typeof message === 'string' ? Buffer.from(message) : message;
    for (let i = 0; i < subscribers.length; i++) {
      const { connection, qos: granted } = subscribers[i]!;
      const effective = granted < qos ? granted : qos;
      if (effective > 0 && connection.session) continue;
      if (connection.deliver(topic, payload, effective, false)) this.#delivered++;
      else this.#dropped++;
    }
  }
}

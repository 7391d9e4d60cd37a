import { matches } from './topics.ts';

export interface Arrival {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  /** It was kept by the broker, or by the connection for a node that came later. */
  readonly retain: boolean;
}

export interface Listener {
  message(arrival: Arrival): void;
  /** The broker does not let this client read there. */
  refused?(filter: string): void;
}

export interface SubscribeOptions {
  readonly qos: 0 | 1 | 2;
  /** The topics are retained: a listener that comes later gets the last message of each from here. */
  readonly retained?: boolean;
}

interface Entry extends SubscribeOptions {
  readonly listeners: Set<Listener>;
  readonly last: Map<string, Arrival>;
}

/** Topics of one retained filter whose last message is kept here. */
const MAX_LAST = 1000;

/** Who listens to which filter: each filter is subscribed once, however many nodes use it. */
export class Subscriptions {
  readonly #entries = new Map<string, Entry>();

  filters(): { filter: string; qos: 0 | 1 | 2 }[] {
    return Array.from(this.#entries, ([filter, { qos }]) => ({ filter, qos }));
  }

  has(filter: string): boolean {
    return this.#entries.has(filter);
  }

  /** Whether the filter is new and must be subscribed. */
  add(filter: string, options: SubscribeOptions, listener: Listener): boolean {
    const known = this.#entries.get(filter);
    const entry = known ?? { ...options, listeners: new Set(), last: new Map() };
    if (!known) this.#entries.set(filter, entry);
    entry.listeners.add(listener);
    for (const arrival of entry.last.values()) listener.message({ ...arrival, retain: true });
    return !known;
  }

  /** Whether nobody listens any more and the filter must be unsubscribed. */
  remove(filter: string, listener: Listener): boolean {
    const entry = this.#entries.get(filter);
    if (!entry?.listeners.delete(listener) || entry.listeners.size > 0) return false;
    return this.#entries.delete(filter);
  }

  /** Hands an arrival to everybody whose filter matches. */
  deliver(arrival: Arrival): void {
    for (const [filter, { listeners, last, retained }] of this.#entries) {
      if (!matches(filter, arrival.topic)) continue;
      if (retained) keep(last, arrival);
      for (const listener of [...listeners]) listener.message(arrival);
    }
  }

  refused(filter: string): void {
    for (const listener of this.#entries.get(filter)?.listeners ?? []) listener.refused?.(filter);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** An empty payload takes a retained message away [MQTT-3.3.1-10]. */
function keep(last: Map<string, Arrival>, arrival: Arrival): void {
  if (arrival.payload.length === 0) last.delete(arrival.topic);
  else if (last.has(arrival.topic) || last.size < MAX_LAST) last.set(arrival.topic, arrival);
}

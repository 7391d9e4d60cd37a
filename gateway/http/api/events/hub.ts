import type { Readable } from 'node:stream';
import { GatewayError } from '../../../errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import { EventClient, eventText } from './client.ts';
import { type LiveChannel, type LiveSource, parseTopics } from './topics.ts';

/** How often what has happened is collected and told. */
const TICK_MS = 250;
const HEARTBEAT_MS = 15_000;
/** A client that takes nothing this long is gone. */
const GONE_MS = 30_000;
/** Browsers come back by themselves; so a login that has ended counts soon. */
const MAX_LIFE_MS = 15 * 60_000;
const MAX_CLIENTS = 64;
const MAX_CLIENTS_OF_PEER = 16;

export interface HubParts {
  readonly source: LiveSource;
  readonly clock: Clock;
  readonly log: Log;
}

interface OpenTopic {
  readonly channel: LiveChannel;
  readonly clients: Set<EventClient>;
  busy: boolean;
}

/**
 * Server-sent events: each topic is collected once for all who listen to it, and only while somebody does. Delivery: at
 * most once; a client that does not keep up misses events and is told how many. Everything is bounded.
 */
export class EventHub {
  readonly #parts: HubParts;
  readonly #topics = new Map<string, OpenTopic>();
  readonly #clients = new Set<EventClient>();
  #cancel: (() => void) | undefined;
  #lastBeat = 0;

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /** @throws GatewayError HTTP_REQUEST, NOT_FOUND, HTTP_BUSY */
  open(text: string, peer: string): Readable {
    const topics = parseTopics(text);
    const ofPeer = [...this.#clients].filter((client) => client.peer === peer).length;
    if (this.#clients.size >= MAX_CLIENTS || ofPeer >= MAX_CLIENTS_OF_PEER)
      throw new GatewayError('HTTP_BUSY', 'too many listen to events', {
        expected: `at most ${MAX_CLIENTS}`,
      });
    const client = new EventClient(topics.keys(), peer, this.#parts.clock.monotonic());
    this.#clients.add(client);
    client.onClose(() => this.#remove(client));
    try {
      for (const [name, topic] of topics) {
        let open = this.#topics.get(name);
        if (open === undefined) {
          open = { channel: this.#parts.source.open(topic), clients: new Set(), busy: false };
          this.#topics.set(name, open);
        }
        open.clients.add(client);
      }
    } catch (error) {
      this.#remove(client);
      throw error;
    }
    const hello = { topics: [...topics.keys()], heartbeatMs: HEARTBEAT_MS };
    client.send('hello', `retry: 2000\n${eventText({ name: 'hello', data: hello })}`, client.since);
    if (this.#cancel === undefined) this.#tick();
    return client.stream;
  }

  stats(): { readonly clients: number; readonly topics: number } {
    return { clients: this.#clients.size, topics: this.#topics.size };
  }

  stop(): void {
    for (const client of this.#clients) {
      client.end();
      this.#remove(client);
    }
  }

  #tick(): void {
    const { clock } = this.#parts;
    const now = clock.monotonic();
    for (const client of this.#clients) {
      if (now - client.since > MAX_LIFE_MS) client.end();
      else if (client.behindSince !== undefined && now - client.behindSince > GONE_MS) client.destroy();
    }
    if (now - this.#lastBeat >= HEARTBEAT_MS) {
      this.#lastBeat = now;
      for (const client of this.#clients) client.beat();
    }
    for (const topic of this.#topics.values()) void this.#collect(topic);
    this.#cancel = this.#clients.size > 0 ? clock.after(TICK_MS, () => this.#tick()) : undefined;
  }

  async #collect(topic: OpenTopic): Promise<void> {
    if (topic.busy) return;
    topic.busy = true;
    try {
      const events = await topic.channel.collect();
      const now = this.#parts.clock.monotonic();
      for (const event of events) {
        const text = eventText(event);
        for (const client of topic.clients) client.send(event.name, text, now);
      }
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'http: could not collect events, trying again');
    } finally {
      topic.busy = false;
    }
  }

  #remove(client: EventClient): void {
    if (!this.#clients.delete(client)) return;
    for (const name of client.topics) {
      const topic = this.#topics.get(name);
      if (!topic?.clients.delete(client) || topic.clients.size > 0) continue;
      topic.channel.close();
      this.#topics.delete(name);
    }
    if (this.#clients.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

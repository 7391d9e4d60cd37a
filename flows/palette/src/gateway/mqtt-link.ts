import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { asError, GatewayProblem } from './errors.ts';
import { Outbox, type Publication, type Published, type Waiting } from './outbox.ts';
import { type Listener, type SubscribeOptions, Subscriptions } from './subscriptions.ts';

export type LinkState = 'closed' | 'connecting' | 'connected' | 'waiting';

export interface LinkOptions {
  /** `mqtt:`, `mqtts:`, `ws:` or `wss:`. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Options of a TLS connection: ca, cert, key, rejectUnauthorized … */
  readonly tls?: object | undefined;
}

/** Publications on their way at once. */
const WINDOW = 64;
const CONNECT_TIMEOUT_MS = 10_000;
/** First pause before connecting again; it doubles up to the longest. */
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** A connection that lasted so long was a good one. */
const STEADY_MS = 5000;
/** How long a close waits for acknowledgements. */
const DRAIN_MS = 1000;
/** How long a close waits for the broker before the socket is cut. */
const END_MS = 2000;

/**
 * One connection for all nodes of a gateway. It comes back by itself; subscriptions and what was not acknowledged are
 * its own business and not that of the client library, so that a message that the broker will not take cannot end one
 * connection after the other for ever.
 */
export class MqttLink {
  readonly subscriptions = new Subscriptions();
  readonly #outbox = new Outbox();
  readonly #options: LinkOptions;
  /** Filters that the connection that is open now was asked for. */
  readonly #asked = new Set<string>();
  readonly #watchers = new Set<(state: LinkState, error: Error | undefined) => void>();
  #client: MqttClient | undefined;
  #state: LinkState = 'closed';
  #error: Error | undefined;
  #pause = PAUSE_MS;
  #connectedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Tells the state now and whenever it changes. */
  watch(watcher: (state: LinkState, error: Error | undefined) => void): () => void {
    this.#watchers.add(watcher);
    watcher(this.#state, this.#error);
    return () => this.#watchers.delete(watcher);
  }

  open(): void {
    if (this.#state === 'closed') this.#connect();
  }

  subscribe(filter: string, options: SubscribeOptions, listener: Listener): () => void {
    const isNew = this.subscriptions.add(filter, options, listener);
    if (isNew && this.#state === 'connected') this.#askAll();
    return () => {
      if (!this.subscriptions.remove(filter, listener)) return;
      if (this.#asked.delete(filter)) this.#client?.unsubscribe(filter);
    };
  }

  /**
   * @returns takes it back if it is not on its way yet
   * @throws GatewayProblem OUTBOX_FULL
   */
  publish(publication: Publication, done: Published): () => void {
    const entry = this.#outbox.add(publication, done);
    this.#flush();
    return () => {
      if (!entry.sent) this.#outbox.remove(entry);
    };
  }

  /** Lets what is on its way arrive, gives up what is not, ends the connection. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'connected' && this.#outbox.size > 0) await this.#drain();
    clearTimeout(this.#timer);
    const client = this.#client;
    const wasConnected = this.#state === 'connected';
    this.#client = undefined;
    this.#become('closed');
    this.#outbox.clear(new GatewayProblem('CLOSED', 'the flow was stopped'));
    this.subscriptions.clear();
    if (client) await end(client, wasConnected);
    this.#watchers.clear();
  }

  /** Until nothing waits, the connection ends, or {@link DRAIN_MS} have passed. */
  #drain(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#drained = undefined;
        resolve();
      };
      const timer = setTimeout(done, DRAIN_MS);
      this.#drained = done;
    });
  }

  #connect(): void {
    const { url, clientId, username, password, tls } = this.#options;
    this.#become('connecting');
    const options: IClientOptions = {
      ...tls,
      clientId,
      ...(username ? { username } : {}),
      ...(password ? { password } : {}),
      clean: true,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      protocolVersion: 4,
      keepalive: 30,
      connectTimeout: CONNECT_TIMEOUT_MS,
    };
    let client: MqttClient;
    try {
      client = connect(url, options);
    } catch (cause) {
      this.#lost(asError(cause));
      return;
    }
    this.#client = client;
    let reason: Error | undefined;
    client.on('connect', () => this.#connected(client));
    client.on('message', (topic, payload, { qos, retain }) =>
      this.subscriptions.deliver({ topic, payload, qos, retain }),
    );
    client.on('error', (error) => {
      reason = asError(error);
    });
    client.on('close', () => {
      if (this.#client !== client) return;
      this.#client = undefined;
      void end(client, false);
      this.#lost(reason);
    });
  }

  /** Open for the nodes once the broker has answered all subscriptions there are by then. */
  #connected(client: MqttClient): void {
    this.#connectedAt = performance.now();
    this.#asked.clear();
    this.#askAll(() => {
      if (this.#client !== client) return;
      this.#become('connected');
      this.#askAll();
      this.#flush();
    });
  }

  #lost(error: Error | undefined): void {
    // Two clients that take each other's place, say, must not do so many times a second.
    if (this.#state === 'connected' && performance.now() - this.#connectedAt > STEADY_MS)
      this.#pause = PAUSE_MS;
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS);
    this.#drained?.();
    this.#outbox.rewind();
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#become('waiting', error);
  }

  /** Asks for what this connection was not asked for yet. */
  #askAll(done: () => void = () => {}): void {
    const filters = this.subscriptions.filters().filter(({ filter }) => !this.#asked.has(filter));
    const refused: string[] = [];
    let left = filters.length;
    if (left === 0) done();
    for (const { filter, qos } of filters) {
      this.#asked.add(filter);
      this.#client?.subscribe(filter, { qos }, (error, granted) => {
        // Without grants the connection ended first, and all is asked for again.
        if (granted && (error || granted.some((grant) => grant.qos > 2))) refused.push(filter);
        if (--left > 0) return;
        done();
        for (const one of refused) this.subscriptions.refused(one);
      });
    }
  }

  #flush(): void {
    if (this.#state !== 'connected') return;
    for (const entry of this.#outbox.unsent(WINDOW)) this.#send(entry);
  }

  #send(entry: Waiting): void {
    const client = this.#client;
    entry.sent = true;
    const { topic, payload, qos, retain } = entry;
    client?.publish(topic, payload, { qos, retain }, (error) => {
      // Of a connection that is gone, or given up: it is sent again, or has been answered.
      if (client !== this.#client || error) return;
      if (this.#outbox.remove(entry)) entry.done();
      if (this.#outbox.size === 0) this.#drained?.();
      this.#flush();
    });
  }

  #become(state: LinkState, error?: Error): void {
    this.#state = state;
    this.#error = error;
    for (const watcher of [...this.#watchers]) watcher(state, error);
  }
}

/** Ends a client of which nothing is expected any more. */
function end(client: MqttClient, gently: boolean): Promise<void> {
  client.removeAllListeners('connect').removeAllListeners('message').removeAllListeners('close');
  return new Promise((resolve) => {
    const cut = setTimeout(() => client.end(true, () => resolve()), END_MS);
    client.end(!gently, () => {
      clearTimeout(cut);
      resolve();
    });
  });
}

import type { IClientPublishOptions, MqttClient } from 'mqtt';
import type { BrokerConfig, LimitsConfig, StreamConfig } from '../../gateway/config/schema.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { Alarms } from '../../gateway/ports/alarms.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Outbound, Publisher } from '../../gateway/ports/publisher.ts';
import type { Intake, Source } from '../../gateway/ports/source.ts';
import type { Store } from '../../gateway/store/types.ts';
import { Backoff, LINK } from '../../gateway/system/backoff.ts';
import { type BrokerAddress, brokerAddress, openBrokerStream } from './broker-stream.ts';
import { REQUEST_FILTER, sharedFilters, streamFilters } from './filters.ts';
import { InOrder } from './in-order.ts';
import { PublishTap, type TappedPublish } from './publish-tap.ts';
import { readSecret } from './secret-file.ts';

/** Largest packet that is read at all; those above `maxPacketBytes` are acknowledged, counted and dropped. */
const MAX_READ_BYTES = 16 * 1024 * 1024;
/** How long a start waits for the broker before it goes on without, and a publication for its acknowledgement, ms. */
const FIRST_CONNECT_MS = 5000;
const PUBLISH_TIMEOUT_MS = 60_000;
/** How long `stop` waits for commits that are under way, ms. */
const STOP_GRACE_MS = 5000;
const KEEPALIVE_S = 30;
/** Between looks at whether the store has caught up, ms. */
const STORE_POLL_MS = 20;

export interface ExternalBrokerOptions {
  readonly broker: BrokerConfig;
  readonly streams: readonly StreamConfig[];
  readonly limits: Pick<LimitsConfig, 'maxPacketBytes' | 'sessionExpiry'>;
  /** Name of this gateway: the client identifier is made of it when the configuration gives none. */
  readonly name: string;
  readonly intake: Intake;
  /** Reading stands still while more than `highWater` waits for the disk. */
  readonly store: Pick<Store, 'outstandingBytes' | 'highWater'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /**
   * Retained message that tells whether this gateway is there: `offline` is the will, and what was last published to
   * `topic` is published again after a reconnection, because the broker has sent the will meanwhile.
   */
  readonly presence?: { readonly topic: string; readonly offline: string };
  /** Further topics whose messages the intake gets. Never shared: each gateway gets them all. */
  readonly topics?: readonly string[];
  /** 0 ≤ x < 1, spreads reconnections; default Math.random. */
  readonly random?: () => number;
}

export interface ExternalBrokerStats {
  readonly connected: boolean;
  readonly connects: number;
  readonly received: number;
  /** Acknowledged to the broker. */
  readonly acknowledged: number;
  /** Not stored and not acknowledged: the broker sends them again. */
  readonly refused: number;
  /** Too large: acknowledged so that they do not come again, and dropped. */
  readonly oversize: number;
  /** Waiting for their commit. */
  readonly pending: number;
  readonly published: number;
  readonly publishFailures: number;
}

export interface ExternalBroker extends Source, Publisher {
  stats(): ExternalBrokerStats;
}

/** An external MQTT broker in place of the embedded one. See README.md for what it promises. */
export function createExternalBroker(options: ExternalBrokerOptions): ExternalBroker {
  return new Client(options);
}

class Client implements ExternalBroker {
  readonly name = 'mqtt';
  readonly #options: ExternalBrokerOptions;
  readonly #log: Log;
  readonly #backoff: Backoff;
  readonly #counts = { connects: 0, received: 0, acknowledged: 0, refused: 0, oversize: 0 };
  readonly #published = { published: 0, publishFailures: 0 };
  #address: BrokerAddress | null = null;
  #client: MqttClient | null = null;
  #tap: PublishTap | null = null;
  #pending = 0;
  #idle: (() => void)[] = [];
  #stopping = false;
  #cancelRetry: (() => void) | null = null;
  #cancelPoll: (() => void) | null = null;
  #subscribed: (() => void) | null = null;
  #presence: Outbound | null = null;

  constructor(options: ExternalBrokerOptions) {
    this.#options = options;
    this.#log = options.log.child('mqtt');
    this.#backoff = new Backoff(LINK, options.random);
  }

  get addresses(): readonly string[] {
    return [this.#options.broker.url];
  }

  async start(signal: AbortSignal): Promise<void> {
    const { broker, limits, presence } = this.#options;
    this.#stopping = false;
    this.#address = brokerAddress(broker.url, broker.ca);
    const password = broker.passwordFile === undefined ? undefined : await readSecret(broker.passwordFile);
    const { MqttClient } = await import('mqtt');
    signal.throwIfAborted();
    const five = broker.protocol === '5';
    const client = new MqttClient(() => this.#openStream(), {
      clientId: broker.clientId ?? `aimx-${this.#options.name}`,
      protocolVersion: five ? 5 : 4,
      protocolId: 'MQTT',
      clean: false,
      keepalive: KEEPALIVE_S,
      connectTimeout: FIRST_CONNECT_MS,
      // Reconnecting is ours: with jitter, capped, and told to people.
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      manualConnect: true,
      ...(presence
        ? { will: { topic: presence.topic, payload: Buffer.from(presence.offline), qos: 1, retain: true } }
        : {}),
      ...(broker.username === undefined ? {} : { username: broker.username }),
      ...(password === undefined ? {} : { password }),
      ...(five
        ? {
            properties: {
              sessionExpiryInterval: Math.min(0xfffffffe, Math.ceil(limits.sessionExpiry / 1000)),
              receiveMaximum: broker.receiveMaximum,
              maximumPacketSize: limits.maxPacketBytes,
            },
          }
        : {}),
    });
    this.#client = client;
    client.on('connect', () => this.#onConnect());
    client.on('close', () => this.#onClose());
    // Every error is followed by `close`, which decides what happens next.
    client.on('error', (error) => this.#log.debug({ error: error.message }, 'mqtt: connection error'));
    const ready = new Promise<void>((resolve) => {
      this.#subscribed = resolve;
    });
    client.connect();
    await this.#within(ready, FIRST_CONNECT_MS, signal);
    signal.throwIfAborted();
  }

  #openStream(): PublishTap {
    const { limits, broker } = this.#options;
    const tap = new PublishTap(openBrokerStream(this.#address!), {
      maxPacketBytes: Math.max(MAX_READ_BYTES, limits.maxPacketBytes),
      version: broker.protocol === '5' ? 5 : 4,
      onPublish: (publish) => this.#onPublish(tap, acks, publish),
    });
    const acks = new InOrder((packetId) => {
      this.#counts.acknowledged++;
      tap.acknowledge(packetId);
    });
    this.#tap = tap;
    return tap;
  }

  #onPublish(tap: PublishTap, acks: InOrder, published: TappedPublish): void {
    const { topic, qos, packetId, payload, properties } = published;
    this.#counts.received++;
    const acknowledge = qos === 1 ? acks.add(packetId) : () => undefined;
    if (payload.length + topic.length + 16 > this.#options.limits.maxPacketBytes) {
      this.#counts.oversize++;
      this.#log.warn({ topic, bytes: payload.length }, 'mqtt: message too large, dropping it');
      acknowledge();
      return;
    }
    this.#pending++;
    const message = { door: 'mqtt', address: topic, payload, qos, ...(properties ? { properties } : {}) };
    this.#options.intake.offer(message, (disposition) => {
      this.#pending--;
      if (disposition.kind === 'refused') {
        this.#counts.refused++;
        // The broker sends unacknowledged messages again on the next connection, and only then.
        if (qos === 1 && tap === this.#tap)
          tap.destroy(new Error(`message refused: ${disposition.error.code}`));
      } else acknowledge();
      this.#regulate();
      if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
    this.#regulate();
  }

  /** Brokers that know no receive maximum, and all of them while the store is behind, are held back by not reading. */
  #regulate(): void {
    const { broker, store, clock } = this.#options;
    const behind = store.outstandingBytes > store.highWater;
    if (behind || this.#pending >= broker.receiveMaximum * 2) this.#tap?.setPaused(true);
    else if (this.#pending <= broker.receiveMaximum && !this.#stopping) this.#tap?.setPaused(false);
    if (!behind || this.#stopping) return;
    // What waits may have come through another door: then no answer to a message of ours tells when it is done.
    this.#cancelPoll ??= clock.after(STORE_POLL_MS, () => {
      this.#cancelPoll = null;
      this.#regulate();
    });
  }

  #onConnect(): void {
    const { broker, streams, alarms, topics } = this.#options;
    this.#counts.connects++;
    const filters = [
      ...sharedFilters([...streamFilters(streams), REQUEST_FILTER], broker.share),
      ...(topics ?? []),
    ];
    this.#client?.subscribe(filters, { qos: 1 }, (error, granted) => {
      const denied = (granted ?? []).filter(({ qos }) => qos >= 128).map(({ topic }) => topic);
      if (error && denied.length === 0) return;
      if (denied.length > 0)
        alarms.raise({
          kind: 'broker-subscription',
          severity: 'critical',
          message: `The broker at ${broker.url} refuses to let the gateway subscribe to ${denied.join(', ')}`,
          fix: 'Allow these topics for the gateway in the access rules of the broker.',
        });
      else alarms.clear('broker-subscription');
      this.#onReady();
    });
  }

  #onReady(): void {
    this.#backoff.reset();
    this.#options.alarms.clear('broker-lost');
    this.#log.info({ broker: this.#options.broker.url }, `mqtt: connected to ${this.#options.broker.url}`);
    this.#subscribed?.();
    if (!this.#presence) return;
    this.#publishOne(this.#presence).catch((error: Error) =>
      this.#log.warn({ error: error.message }, 'mqtt: could not say that the gateway is online again'),
    );
  }

  #onClose(): void {
    if (this.#stopping || this.#cancelRetry) return;
    const { broker, alarms, clock } = this.#options;
    const wait = this.#backoff.next();
    this.#log.warn(
      { broker: broker.url },
      `mqtt: lost ${broker.url}, retrying in ${Math.round(wait / 100) / 10} s`,
    );
    alarms.raise({
      kind: 'broker-lost',
      severity: 'warning',
      message: `The MQTT broker at ${broker.url} cannot be reached or refuses the gateway`,
      fix: 'Check that it runs, the address, the protocol version and the credentials under `broker` in gateway.yaml.',
    });
    this.#subscribed?.();
    this.#cancelRetry = clock.after(wait, () => {
      this.#cancelRetry = null;
      if (!this.#stopping) this.#client?.reconnect();
    });
  }

  async publish(messages: readonly Outbound[]): Promise<void> {
    await Promise.all(messages.map((message) => this.#publishOne(message)));
  }

  #publishOne(message: Outbound): Promise<void> {
    const { topic, payload, qos, retain } = message;
    if (topic === this.#options.presence?.topic) this.#presence = message;
    const client = this.#client;
    const { broker, clock } = this.#options;
    if (!client?.connected) {
      this.#published.publishFailures++;
      // Never into the client's memory: the caller's cursor is the queue that survives.
      return Promise.reject(new GatewayError('BROKER_LOST', `not connected to ${broker.url}`));
    }
    return new Promise((resolve, reject) => {
      const cancel = clock.after(PUBLISH_TIMEOUT_MS, () => {
        this.#published.publishFailures++;
        reject(new GatewayError('BROKER_LOST', `${broker.url} did not acknowledge in time`));
      });
      const bytes = typeof payload === 'string' ? payload : Buffer.from(payload);
      const options = { qos, retain, ...(broker.protocol === '5' ? propertiesOf(message) : {}) };
      client.publish(topic, bytes, options, (cause) => {
        cancel();
        if (cause) {
          this.#published.publishFailures++;
          reject(new GatewayError('BROKER_LOST', `${broker.url} did not take a message`, { cause }));
          return;
        }
        this.#published.published++;
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#cancelPoll?.();
    this.#cancelPoll = null;
    const client = this.#client;
    if (!client) return;
    this.#tap?.setPaused(true);
    const idle = new Promise<void>((resolve) => {
      if (this.#pending === 0) resolve();
      else this.#idle.push(resolve);
    });
    await this.#within(idle, STOP_GRACE_MS);
    this.#tap?.setPaused(false);
    this.#client = null;
    await new Promise<void>((resolve) => client.end(!client.connected, {}, () => resolve()));
    this.#tap?.destroy();
    this.#tap = null;
  }

  async #within(work: Promise<void>, ms: number, signal?: AbortSignal): Promise<void> {
    let cancel = (): void => undefined;
    const limit = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(ms, resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([work, limit]);
    cancel();
  }

  stats(): ExternalBrokerStats {
    return {
      connected: this.#client?.connected ?? false,
      ...this.#counts,
      ...this.#published,
      pending: this.#pending,
    };
  }
}

/** MQTT 5 properties in the client's words. */
function propertiesOf({ properties }: Outbound): { properties?: IClientPublishOptions['properties'] } {
  if (!properties) return {};
  const { correlation, contentType, user } = properties;
  return {
    properties: {
      ...(correlation ? { correlationData: Buffer.from(correlation) } : {}),
      ...(contentType === undefined ? {} : { contentType }),
      ...(user ? { userProperties: { ...user } } : {}),
    },
  };
}

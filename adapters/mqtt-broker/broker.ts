import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../../gateway/config/schema.ts';
import type { AccessControl } from '../../gateway/ports/access.ts';
import type { Alarms } from '../../gateway/ports/alarms.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Outbound, Prepared, Publisher } from '../../gateway/ports/publisher.ts';
import type { Intake, Source } from '../../gateway/ports/source.ts';
import type { Store } from '../../gateway/store/types.ts';
import { BrokerCore } from './broker-core.ts';
import type { StoredState } from './changes.ts';
import type { CloseReason, Connection } from './connection.ts';
import { Connections } from './connections.ts';
import { Delivery } from './delivery.ts';
import { hooks } from './hooks.ts';
import { Ingress } from './ingress.ts';
import { LimitsAlarm, type TurnedAway } from './limits-alarm.ts';
import { type Listener, listen } from './listeners.ts';
import { Persistence } from './persistence.ts';
import { prepareOwn, publishOwn } from './publisher.ts';
import { QuietLog } from './quiet-log.ts';
import { Retained } from './retained.ts';
import { Sessions } from './sessions.ts';
import {
  type BrokerLimits,
  CONNECT_TIMEOUT_MS,
  EXPIRY_TICK_MS,
  LIMITS_TICK_MS,
  MAX_HALF_OPEN,
  MAX_INCOMING,
  MAX_TOPIC_LEVELS,
  STOP_GRACE_MS,
} from './settings.ts';
import { StateLog } from './state-log.ts';
import type { BrokerStats } from './stats.ts';
import { createWebSocketDoor, type WebSocketDoor } from './websocket.ts';

export interface MqttBrokerOptions {
  /** `host` and ports; TLS is on when `mqtts` is given. */
  readonly listen: Pick<Config['listen'], 'host' | 'mqtt' | 'mqtts'>;
  readonly limits: BrokerLimits;
  readonly intake: Intake;
  readonly access: AccessControl;
  readonly store: Pick<Store, 'commit' | 'query' | 'outstandingBytes' | 'highWater'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
}

export interface MqttBroker extends Source, Publisher {
  /** MQTT over WebSocket: the HTTP server's `upgrade` events go here. False: not for this door, socket untouched. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Ends the connections of principals that are no longer let in. */
  disconnect(names: ReadonlySet<string>): void;
  /** What its bounds turned away since the start. */
  turnedAway(): TurnedAway;
  stats(): BrokerStats;
}

/** The embedded MQTT broker: a door for devices, and the way out for results. See README.md for what it promises. */
export function createMqttBroker(options: MqttBrokerOptions): MqttBroker {
  return new Broker(options);
}

/** Turns of the event loop that aedes and the egress need to write the last answer after its commit. */
const ANSWER_TURNS = 20;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

class Broker implements MqttBroker {
  readonly name = 'mqtt';
  readonly #options: MqttBrokerOptions;
  readonly #log: Log;
  readonly #closeLog: QuietLog;
  readonly #stateLog: StateLog;
  readonly #sessions: Sessions;
  readonly #retained: Retained;
  readonly #delivery = new Delivery();
  readonly #ingress: Ingress;
  readonly #connections: Connections;
  readonly #webSocket: WebSocketDoor;
  readonly #counts = { authFailures: 0, subscriptionsDenied: 0, sessionsRefused: 0, sessionsExpired: 0 };
  #core: BrokerCore | null = null;
  #listeners: Listener[] = [];
  readonly #limitsAlarm: LimitsAlarm;
  #cancelExpiry: (() => void) | null = null;
  #cancelReview: (() => void) | null = null;
  #stopping: Promise<void> | null = null;
  #stateFault = false;

  constructor(options: MqttBrokerOptions) {
    const { limits, store, clock } = options;
    this.#options = options;
    this.#log = options.log.child('mqtt');
    this.#limitsAlarm = new LimitsAlarm(options.alarms);
    this.#closeLog = new QuietLog(this.#log, clock);
    this.#stateLog = new StateLog(store, (error) => this.#onStateCommit(error));
    const write = this.#stateLog.add.bind(this.#stateLog);
    this.#sessions = new Sessions({ ...limits, maxIncoming: MAX_INCOMING }, write);
    this.#retained = new Retained({ max: limits.maxRetained, maxBytes: limits.maxQueuedBytes }, write);
    this.#ingress = new Ingress({
      intake: options.intake,
      access: options.access,
      sessions: this.#sessions,
      retained: this.#retained,
      log: this.#stateLog,
      wanted: (topic) => this.#delivery.wanted(topic),
      deliver: (topic, payload, qos) => this.#delivery.deliver(topic, payload, qos),
    });
    this.#connections = new Connections({
      limits,
      store,
      clock,
      log: this.#log,
      maxTopicLevels: MAX_TOPIC_LEVELS,
      onPublish: (connection, parts, payload) => this.#ingress.onPublish(connection, parts, payload),
      onConnect: (connection) => void this.#core?.handle(connection.bridge),
      onClosed: (connection, reason, detail) => this.#onClosed(connection, reason, detail),
      assign: (session, entry, send) => {
        // Under a store that takes no writes messages still go out; a crash may then repeat one.
        if (this.#sessions.sent(session, entry, session.nextPacket())) this.#stateLog.whenDurable(send);
        else send();
      },
    });
    this.#webSocket = createWebSocketDoor(limits.maxPacketBytes, (stream, peer) =>
      this.#connections.accept(stream, peer),
    );
  }

  get addresses(): readonly string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = null;
    const { store, clock, limits } = this.#options;
    const { host, mqtt, mqtts } = this.#options.listen;
    const state = await store.query<StoredState>('mqtt.load');
    this.#sessions.restore(state, clock.now());
    this.#retained.restore(state.retained);
    this.#core = new BrokerCore(
      {
        ...hooks({
          access: this.#options.access,
          sessions: this.#sessions,
          delivery: this.#delivery,
          ingress: this.#ingress,
          log: this.#log,
          maxSubscriptions: limits.maxSubscriptions,
          connected: (clientId) => this.#connections.byClient(clientId),
          admitted: (connection) => this.#onAdmitted(connection),
          now: () => clock.now(),
          counts: this.#counts,
        }),
        persistence: new Persistence(this.#sessions, this.#retained, this.#stateLog),
        drainTimeout: limits.drainTimeout,
        connectTimeout: CONNECT_TIMEOUT_MS,
        maxInflightInbound: MAX_INCOMING,
        maxTopicLevels: MAX_TOPIC_LEVELS,
        // The client identifier's length is checked before aedes sees it.
        maxClientsIdLength: Number.MAX_SAFE_INTEGER,
      },
      (topic, payload) => this.#delivery.deliver(topic, payload, 0),
    );
    this.#wire(this.#core);
    await this.#core.listen();
    await this.#publishOrphanedWills(state.wills);
    signal.throwIfAborted();
    this.#connections.start();
    const accept = (stream: Duplex, peer: string): void => this.#connections.accept(stream, peer);
    const maxSockets = limits.maxConnections + MAX_HALF_OPEN;
    const common = { host, maxSockets, signal, log: this.#log };
    this.#listeners.push(await listen({ ...common, port: mqtt.port }, accept));
    if (mqtts) this.#listeners.push(await listen({ ...common, port: mqtts.port, tls: mqtts }, accept));
    this.#expireSessions();
    this.#review();
    this.#log.info({ addresses: this.addresses }, `mqtt: listening on ${this.addresses.join(', ')}`);
  }

  #wire(core: BrokerCore): void {
    const connectionOf = (client: { conn: unknown }): Connection =>
      (client.conn as { connection: Connection }).connection;
    core.on('connackSent', (packet, client) => {
      if (packet.returnCode === 0) connectionOf(client).ready();
    });
    core.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#delivery.unsubscribe(connectionOf(client), filter);
    });
    // Both end one connection, which tells its own story when it closes.
    core.on('clientError', (client, error) => connectionOf(client).close('protocol', error.message));
    core.on('connectionError', (client, error) => connectionOf(client).close('protocol', error.message));
    // Declared nowhere in aedes' types, but emitted when its persistence fails.
    (core as NodeJS.EventEmitter).on('error', (error: unknown) => {
      this.#log.error({ error: String(error) }, 'mqtt: broker state could not be read or written, going on');
    });
  }

  /** Clients that were connected when an earlier run was cut off have gone without a DISCONNECT [MQTT-3.1.2-8]. */
  async #publishOrphanedWills(wills: StoredState['wills']): Promise<void> {
    for (const { client, topic, payload, qos, retain } of wills) {
      const message = { topic, qos: qos as 0 | 1 | 2, retain, packetId: 0 };
      await new Promise<void>((resolve) => {
        // It was allowed when it was stored; a store that refuses it now keeps it for the next start.
        this.#ingress.onOwn(null, message, Buffer.from(payload), true, (error) => {
          if (!error) this.#stateLog.add({ kind: 'will', client, will: null });
          resolve();
        });
      });
    }
  }

  #onAdmitted(connection: Connection): void {
    this.#connections.admit(connection);
    const { session } = connection;
    if (session) session.onQueued = () => connection.pump();
  }

  #onClosed(connection: Connection, reason: CloseReason, detail: string): void {
    this.#delivery.remove(connection);
    const { session } = connection;
    if (session && this.#connections.byClient(connection.clientId) === undefined) {
      session.onQueued = null;
      this.#sessions.attach(session, false, this.#options.clock.now());
    }
    if (reason === 'client' || reason === 'stopping') return;
    const fields = { client: connection.clientId, peer: connection.peer, reason };
    this.#closeLog.warn(fields, `mqtt: closed a connection (${detail})`);
  }

  #onStateCommit(error: Error | null): void {
    if (!error) {
      if (this.#stateFault) this.#options.alarms.clear('mqtt-state');
      this.#stateFault = false;
      return;
    }
    if (this.#stateFault) return;
    this.#stateFault = true;
    this.#options.alarms.raise({
      kind: 'mqtt-state',
      severity: 'warning',
      message: `The MQTT broker cannot store its state: ${error.message}`,
      fix: 'Free space on the disk of the data folder. Messages that need it are not acknowledged until then.',
    });
  }

  #expireSessions(): void {
    const { clock, limits } = this.#options;
    // A clock that is not believed would throw sessions away.
    if (clock.synced())
      this.#counts.sessionsExpired += this.#sessions.expire(clock.now(), limits.sessionExpiry);
    this.#cancelExpiry = clock.after(EXPIRY_TICK_MS, () => this.#expireSessions());
  }

  #review(): void {
    const { clock } = this.#options;
    this.#limitsAlarm.review(this.turnedAway(), clock.monotonic());
    this.#cancelReview = clock.after(LIMITS_TICK_MS, () => this.#review());
  }

  turnedAway(): TurnedAway {
    return {
      connections: this.#connections.stats.refusedConnections,
      sessions: this.#counts.sessionsRefused,
      queued: this.#sessions.queue.dropped,
      retained: this.#retained.stats.refused,
    };
  }

  publish(messages: readonly Outbound[]): Promise<void> {
    return publishOwn(messages, this.#own);
  }

  prepare(messages: readonly Outbound[]): Prepared {
    return prepareOwn(messages, this.#own);
  }

  get #own() {
    return { ingress: this.#ingress, maxTopicLevels: MAX_TOPIC_LEVELS, stopped: this.#core === null };
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (!this.#core || this.#stopping) return false;
    return this.#webSocket.handleUpgrade(request, socket, head);
  }

  disconnect(names: ReadonlySet<string>): void {
    this.#connections.disconnect(names);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#cancelExpiry?.();
    this.#cancelReview?.();
    const closing = this.#listeners.map((listener) => listener.close());
    this.#connections.stopReading();
    await this.#within(this.#ingress.idle());
    await turns(ANSWER_TURNS);
    const core = this.#core;
    this.#connections.closeAll();
    if (core) {
      await new Promise<void>((resolve) => core.close(resolve));
      // Wills of clients that were cut off just now.
      await this.#within(this.#ingress.idle());
    }
    this.#connections.stop();
    await this.#within(this.#stateLog.idle());
    await Promise.all(closing);
    this.#listeners = [];
    this.#webSocket.close();
    this.#core = null;
  }

  /** Waits for `work`, but no longer than the grace of a stop. */
  async #within(work: Promise<void>): Promise<void> {
    let cancel = (): void => undefined;
    const timeout = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(STOP_GRACE_MS, resolve);
    });
    await Promise.race([work, timeout]);
    cancel();
  }

  stats(): BrokerStats {
    const { queue } = this.#sessions;
    const retained = this.#retained.stats;
    return {
      ...this.#connections.stats,
      ...this.#ingress.counts,
      ...this.#delivery.stats,
      ...this.#counts,
      pending: this.#ingress.pending,
      sessions: this.#sessions.size,
      queuedMessages: queue.messages,
      queuedBytes: queue.bytes,
      queueDropped: queue.dropped,
      retained: retained.messages,
      retainedBytes: retained.bytes,
      retainedRefused: retained.refused,
      stateLost: this.#stateLog.lost,
    };
  }
}

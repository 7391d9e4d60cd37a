import type { Duplex } from 'node:stream';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Store } from '../../gateway/store/types.ts';
import { type CloseReason, Connection, type ConnectionHost } from './connection.ts';
import { Flusher } from './flusher.ts';
import { MAX_CLIENT_ID, type PacketLimits } from './guard.ts';
import {
  type BrokerLimits,
  CONNECT_TIMEOUT_MS,
  GATE_POLL_MS,
  MAX_HALF_OPEN,
  MESSAGES_PER_TURN,
  TICK_MS,
} from './settings.ts';
import { TurnShare } from './turn-share.ts';

export interface ConnectionsParts
  extends Pick<ConnectionHost, 'onPublish' | 'onConnect' | 'assign' | 'onClosed'> {
  readonly limits: BrokerLimits;
  readonly store: Pick<Store, 'outstandingBytes' | 'highWater'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxTopicLevels: number;
}

const noReasons = (): Record<CloseReason, number> => ({
  client: 0,
  protocol: 0,
  oversize: 0,
  'connect-timeout': 0,
  keepalive: 0,
  slow: 0,
  refused: 0,
  denied: 0,
  limit: 0,
  stopping: 0,
});

/** All connections: bounds on their number, time-outs, and the gate that stops reading while the store is behind. */
export class Connections implements ConnectionHost {
  readonly packetLimits: PacketLimits;
  readonly maxPacketBytes: number;
  readonly turn = new TurnShare(MESSAGES_PER_TURN);
  readonly #parts: ConnectionsParts;
  readonly #flusher = new Flusher();
  readonly #all = new Set<Connection>();
  readonly #halfOpen = new Set<Connection>();
  /** Closed, but still swallowing their last bytes. */
  readonly #closing = new Set<Connection>();
  readonly #byClient = new Map<string, Connection>();
  readonly #closed = noReasons();
  #accepted = 0;
  #refused = 0;
  #gateClosed = false;
  #gateClosings = 0;
  #reading = true;
  #lastTick = 0;
  #cancelTick: (() => void) | null = null;
  #cancelGate: (() => void) | null = null;

  constructor(parts: ConnectionsParts) {
    this.#parts = parts;
    this.maxPacketBytes = parts.limits.maxPacketBytes;
    this.packetLimits = {
      maxTopicLevels: parts.maxTopicLevels,
      maxFilters: parts.limits.maxSubscriptions,
      maxClientId: MAX_CLIENT_ID,
    };
  }

  get stats() {
    return {
      connections: this.#all.size,
      halfOpen: this.#halfOpen.size,
      accepted: this.#accepted,
      refusedConnections: this.#refused,
      closed: { ...this.#closed },
      gateClosed: this.#gateClosed,
      gateClosings: this.#gateClosings,
    };
  }

  start(): void {
    this.#reading = true;
    this.#lastTick = this.monotonic();
    this.#tick();
  }

  /** Takes a new connection, if there is room for it. */
  accept(stream: Duplex, peer: string): void {
    if (this.#all.size + this.#closing.size >= this.#parts.limits.maxConnections || !this.#reading) {
      this.#refused++;
      stream.on('error', () => undefined);
      stream.destroy();
      return;
    }
    this.#accepted++;
    const connection = new Connection(this, stream, peer);
    this.#all.add(connection);
    this.#halfOpen.add(connection);
    if (this.#halfOpen.size <= MAX_HALF_OPEN) return;
    const [oldest] = this.#halfOpen;
    oldest?.close('connect-timeout', `more than ${MAX_HALF_OPEN} connections without CONNECT`);
  }

  /** A connection's CONNECT was accepted. */
  admit(connection: Connection): void {
    this.#halfOpen.delete(connection);
    this.#byClient.set(connection.clientId, connection);
  }

  disconnect(names: ReadonlySet<string>): void {
    for (const connection of [...this.#all])
      if (connection.principal && names.has(connection.principal.name))
        connection.close('denied', 'no longer let in');
  }

  byClient(clientId: string): Connection | undefined {
    return this.#byClient.get(clientId);
  }

  // ---- for connections

  scheduleFlush(egress: Parameters<ConnectionHost['scheduleFlush']>[0]): void {
    this.#flusher.schedule(egress);
  }

  onPublish(...[connection, parts, payload]: Parameters<ConnectionHost['onPublish']>): void {
    this.#parts.onPublish(connection, parts, payload);
  }

  onConnect(connection: Connection): void {
    this.#parts.onConnect(connection);
  }

  assign(...[session, entry, send]: Parameters<ConnectionHost['assign']>): void {
    this.#parts.assign(session, entry, send);
  }

  onClosed(connection: Connection, reason: CloseReason, detail: string): void {
    this.#closed[reason]++;
    this.#all.delete(connection);
    this.#halfOpen.delete(connection);
    this.#closing.add(connection);
    if (this.#byClient.get(connection.clientId) === connection) this.#byClient.delete(connection.clientId);
    this.#parts.onClosed(connection, reason, detail);
  }

  onGone(connection: Connection): void {
    this.#closing.delete(connection);
  }

  get gateClosed(): boolean {
    const { store } = this.#parts;
    if (!this.#gateClosed && store.outstandingBytes > store.highWater) {
      this.#gateClosed = true;
      this.#gateClosings++;
      this.#pollGate();
    }
    return this.#gateClosed || !this.#reading;
  }

  monotonic(): number {
    return this.#parts.clock.monotonic();
  }

  #pollGate(): void {
    this.#cancelGate = this.#parts.clock.after(GATE_POLL_MS, () => {
      const { store } = this.#parts;
      if (store.outstandingBytes > store.highWater / 2) {
        this.#pollGate();
        return;
      }
      this.#gateClosed = false;
      for (const connection of this.#all) connection.resume();
    });
  }

  #tick(): void {
    const now = this.monotonic();
    const elapsed = now - this.#lastTick;
    this.#lastTick = now;
    const limits = { connectTimeout: CONNECT_TIMEOUT_MS, drainTimeout: this.#parts.limits.drainTimeout };
    for (const connection of this.#all) connection.tick(now, elapsed, limits);
    for (const connection of this.#closing) connection.tick(now, elapsed, limits);
    this.#cancelTick = this.#parts.clock.after(TICK_MS, () => this.#tick());
  }

  // ---- stopping

  /** Nothing more is read; what was read is still acknowledged. */
  stopReading(): void {
    this.#reading = false;
  }

  closeAll(): void {
    for (const connection of [...this.#all]) connection.close('stopping', 'gateway stops');
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cancelGate?.();
    for (const connection of this.#closing) connection.destroy();
    this.#closing.clear();
  }
}

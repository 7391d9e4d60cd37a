import type { Duplex } from 'node:stream';
import type { Principal } from '../../gateway/ports/access.ts';
import { Bridge } from './bridge.ts';
import { Egress, HARD_LIMIT, SOFT_LIMIT } from './egress.ts';
import { connack, PINGRESP, pubrel } from './encode.ts';
import { FrameCutter } from './frames.ts';
import {
  CONNECT,
  checkConnect,
  checkPacket,
  type PacketLimits,
  PINGREQ,
  PUBACK,
  PUBLISH,
  PUBREL,
  type PublishParts,
  parsePublish,
} from './guard.ts';
import { EXACTLY_ONCE_WEIGHT, type Publication } from './publication.ts';
import { type Entry, type Session, UNSENT } from './session.ts';
import type { TurnShare } from './turn-share.ts';

/**
 * Bytes of one connection's messages that may wait for their commit; above this the connection is not read. With what
 * each message costs beside its payload that is some 300 small ones. A few connections fill a commit with that; what one more
 * would send ahead waits better in its socket than here, where the collector has to go round it.
 */
const MAX_PENDING_BYTES = 192 * 1024;
/** Below this it is read again: not before, because each stop copies what was read and not taken. */
const RESUME_PENDING_BYTES = MAX_PENDING_BYTES / 2;
/** Messages of a persistent session that may be unacknowledged by its client at a time. */
const MAX_IN_FLIGHT = 256;
/** How long a connection that is being closed may take to swallow its last bytes, ms. */
const LINGER_MS = 5000;

/** How long what a client sent before it went may take to be dealt with, ms. */
const ENDED_MS = 60_000;

/** Why a connection ended; each is counted. */
export type CloseReason =
  | 'client'
  | 'protocol'
  | 'oversize'
  | 'connect-timeout'
  | 'keepalive'
  | 'slow'
  | 'refused'
  | 'denied'
  | 'limit'
  | 'stopping';

/** What a connection needs of the door it belongs to. */
export interface ConnectionHost {
  readonly packetLimits: PacketLimits;
  readonly maxPacketBytes: number;
  /** Asks for `egress.flush` at the end of the turn. */
  scheduleFlush(egress: Egress): void;
  /** A PUBLISH with QoS 0 or 1. */
  onPublish(connection: Connection, parts: PublishParts, payload: Buffer): void;
  /** Hands the bridge to the broker once CONNECT has been checked. */
  onConnect(connection: Connection): void;
  onClosed(connection: Connection, reason: CloseReason, detail: string): void;
  /** Its socket is gone too. */
  onGone(connection: Connection): void;
  /** Whether no connection may be read now. */
  readonly gateClosed: boolean;
  readonly turn: TurnShare;
  /** Gives an entry its packet identifier; calls `send` when it may go out under it. */
  assign(session: Session, entry: Entry, send: () => void): void;
  monotonic(): number;
}

/**
 * One client: frames and checks what comes in, answers pings, takes PUBLISH of QoS 0 and 1 itself, leaves everything
 * else to aedes behind the {@link Bridge}, and sends deliveries.
 */
export class Connection {
  readonly bridge: Bridge;
  readonly peer: string;
  readonly openedAt: number;
  lastHeard: number;
  clientId = '';
  principal: Principal | null = null;
  clean = true;
  session: Session | null = null;
  willTopic: string | null = null;
  /** Filters with the QoS granted. */
  readonly filters = new Map<string, 0 | 1 | 2>();
  /** Publications that wait, oldest first: PUBACKs go out in the order of the PUBLISHes [MQTT-4.6.0-2]. */
  pendingHead: Publication | null = null;
  pendingTail: Publication | null = null;
  pendingBytes = 0;
  /** A message of its was refused: it ends when those before it are settled, and takes nothing until then. */
  refusing = false;
  state: 'opened' | 'connecting' | 'ready' | 'closing' | 'closed' = 'opened';
  keepaliveMs = 0;
  readonly egress: Egress;
  readonly #host: ConnectionHost;
  readonly #stream: Duplex;
  readonly #cutter: FrameCutter;
  readonly #parts: PublishParts = { topic: '', qos: 0, retain: false, packetId: 0, payloadStart: 0 };
  #bridgeFull = false;
  #held = false;
  #lastPacket = 0;
  #closingSince = 0;
  #ended = false;
  #gone = false;

  constructor(host: ConnectionHost, stream: Duplex, peer: string) {
    this.#host = host;
    this.#stream = stream;
    this.peer = peer;
    this.openedAt = host.monotonic();
    this.lastHeard = this.openedAt;
    this.egress = new Egress(
      stream,
      (egress) => host.scheduleFlush(egress),
      () => this.#onRoom(),
    );
    this.bridge = new Bridge(this);
    this.#cutter = new FrameCutter(host.maxPacketBytes, (data, start, body, end) =>
      this.#onFrame(data, start, body, end),
    );
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('error', () => this.close('client', 'connection lost'));
    stream.on('end', () => this.#onEnd());
    stream.on('close', () => this.#onStreamClosed());
  }

  // ---- what comes in

  #onData(chunk: Buffer): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    this.lastHeard = this.#host.monotonic();
    this.#check(this.#cutter.push(chunk));
  }

  #check(fault: 'length' | 'too large' | null): void {
    if (fault === 'too large') this.close('oversize', `packet above ${this.#host.maxPacketBytes} bytes`);
    else if (fault === 'length') this.close('protocol', 'remaining length');
    else if (this.#host.gateClosed) this.#hold();
  }

  /** Answers whether the next packet may be taken. */
  #onFrame(data: Buffer, start: number, body: number, end: number): boolean {
    const type = data[start]! >> 4;
    if (this.state !== 'ready') {
      if (this.state === 'opened') this.#onFirst(type, data, start, body, end);
      return false;
    }
    if (type === PUBLISH) {
      const fault = parsePublish(data, start, body, end, this.#host.packetLimits, this.#parts);
      if (fault) {
        this.close('protocol', `PUBLISH: ${fault}`);
        return false;
      }
      if (this.#parts.qos < 2) {
        this.#host.turn.count();
        this.#host.onPublish(this, this.#parts, data.subarray(this.#parts.payloadStart, end));
      } else {
        this.#host.turn.count(EXACTLY_ONCE_WEIGHT);
        this.#toBroker(data, start, end);
      }
    } else {
      const fault = checkPacket(data, start, body, end, this.#host.packetLimits);
      if (fault) {
        this.close('protocol', fault);
        return false;
      }
      if (type === PINGREQ) this.egress.put(PINGRESP);
      else if (type !== PUBACK || this.session) {
        // Nothing is kept of what a clean session was sent, so nobody waits for its PUBACK.
        if (type === PUBREL) data[start] = 0x62;
        this.#toBroker(data, start, end);
      }
    }
    if (this.#mayRead()) return true;
    this.#hold();
    return false;
  }

  #onFirst(type: number, data: Buffer, start: number, body: number, end: number): void {
    if (type !== CONNECT) {
      this.close('protocol', `packet type ${type} before CONNECT`);
      return;
    }
    const connect = checkConnect(data, start, body, end, this.#host.packetLimits);
    if (connect.kind === 'malformed') {
      this.close('protocol', `CONNECT: ${connect.reason}`);
      return;
    }
    if (connect.kind === 'refuse') {
      this.egress.put(connack(connect.code));
      this.close('protocol', connect.reason);
      return;
    }
    this.state = 'connecting';
    this.clientId = connect.clientId;
    this.clean = connect.clean;
    // [MQTT-3.1.2-24]: one and a half times the keep alive.
    this.keepaliveMs = connect.keepalive * 1500;
    this.#host.onConnect(this);
    this.#toBroker(data, start, end);
    this.#hold();
  }

  #toBroker(data: Buffer, start: number, end: number): void {
    if (!this.bridge.destroyed && !this.bridge.push(data.subarray(start, end))) this.#bridgeFull = true;
  }

  brokerWantsMore(): void {
    if (!this.#bridgeFull) return;
    this.#bridgeFull = false;
    this.resume();
  }

  #mayRead(): boolean {
    return (
      this.state === 'ready' &&
      !this.#bridgeFull &&
      this.pendingBytes < MAX_PENDING_BYTES &&
      !this.#host.turn.spent &&
      !this.#host.gateClosed
    );
  }

  #hold(): void {
    if (this.#held || this.state === 'closing' || this.state === 'closed') return;
    this.#held = true;
    this.#stream.pause();
    if (this.#host.turn.spent) this.#host.turn.wait(this);
  }

  /** Reads on, if nothing stands against it. */
  resume(): void {
    if (!this.#held || this.pendingBytes > RESUME_PENDING_BYTES) return;
    if (!this.#mayRead()) {
      if (this.#host.turn.spent) this.#host.turn.wait(this);
      return;
    }
    this.#held = false;
    // Packets that were cut before are older than what the socket holds.
    this.#check(this.#cutter.resume());
    if (!this.#held && this.state === 'ready') this.#stream.resume();
    if (this.#ended && !this.#held) this.#finishInput();
  }

  /** CONNACK is out. */
  ready(): void {
    if (this.state !== 'connecting') return;
    this.state = 'ready';
    this.resume();
    this.pump();
  }

  // ---- what goes out

  /** Sends a message that no queue holds. Answers false when it was dropped because the client is too slow. */
  deliver(topic: string, payload: string | Uint8Array, qos: 0 | 1 | 2, retain: boolean): boolean {
    // Nothing goes before CONNACK [MQTT-3.2.0-1], and nothing to a connection that ends.
    if (this.state !== 'ready') return true;
    if (qos === 0 && this.egress.bytes > SOFT_LIMIT) return false;
    this.egress.publish(topic, payload, qos, retain, false, qos > 0 ? this.nextPacket() : 0);
    if (this.egress.bytes > HARD_LIMIT) this.close('slow', `${this.egress.bytes} bytes not taken`);
    return true;
  }

  nextPacket(): number {
    if (this.session) return this.session.nextPacket();
    this.#lastPacket = this.#lastPacket === 65535 ? 1 : this.#lastPacket + 1;
    return this.#lastPacket;
  }

  /** Sends what waits in the session, in order, as far as the client keeps up. */
  pump(): void {
    const { session } = this;
    if (!session || this.state !== 'ready') return;
    while (session.cursor?.ready && this.egress.bytes < SOFT_LIMIT) {
      const entry = session.cursor;
      const fresh = entry.packet === UNSENT;
      if (fresh && session.inFlight >= MAX_IN_FLIGHT) return;
      session.cursor = entry.next;
      const send = () => {
        if (this.session !== session || this.state !== 'ready') return;
        const { topic, payload } = entry.message;
        if (entry.released) this.egress.put(pubrel(entry.packet));
        else this.egress.publish(topic, payload, entry.qos, entry.retain, entry.dup, entry.packet);
      };
      if (fresh) this.#host.assign(session, entry, send);
      else send();
    }
  }

  putFromBroker(bytes: Uint8Array): boolean {
    this.egress.put(bytes);
    return this.egress.bytes < SOFT_LIMIT;
  }

  #onRoom(): void {
    this.bridge.drained();
    this.pump();
  }

  // ---- the end

  /** Time-outs; called about every `elapsed` ms. */
  tick(now: number, elapsed: number, limits: { connectTimeout: number; drainTimeout: number }): void {
    if (this.state === 'closing') {
      if (now - this.#closingSince > LINGER_MS) this.#stream.destroy();
      return;
    }
    if (this.state === 'closed') return;
    if (this.state !== 'ready' && now - this.openedAt > limits.connectTimeout)
      this.close('connect-timeout', 'no session in time');
    else if (this.#ended && now - this.lastHeard > ENDED_MS) this.close('client', 'connection ended');
    else if (this.egress.stalled(elapsed) >= limits.drainTimeout)
      this.close('slow', `took nothing for ${limits.drainTimeout} ms`);
    else if (
      this.state === 'ready' &&
      this.keepaliveMs > 0 &&
      !this.#held &&
      now - this.lastHeard > this.keepaliveMs
    )
      this.close('keepalive', `silent for ${Math.round(now - this.lastHeard)} ms`);
  }

  /** Ends the connection from this side; what was written before still goes out. */
  close(reason: CloseReason, detail: string): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    this.state = 'closing';
    this.#closingSince = this.#host.monotonic();
    this.egress.flush();
    this.bridge.destroy();
    if (reason === 'slow') this.#stream.destroy();
    else {
      this.#stream.end();
      // Unread bytes would turn the end into a reset that overtakes the last answer.
      this.#stream.resume();
    }
    this.#host.onClosed(this, reason, detail);
    if (this.#gone) this.#onGone();
  }

  #onGone(): void {
    this.state = 'closed';
    this.#host.onGone(this);
  }

  /** Ends it without waiting for anything. */
  destroy(): void {
    this.#stream.destroy();
  }

  /** aedes ended the connection (DISCONNECT, a refusal, a taken-over session). */
  brokerClosed(): void {
    this.close('client', 'disconnected');
  }

  #onEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#held) this.#finishInput();
  }

  /** The client will send no more: aedes sees the end after all that came before it, a DISCONNECT perhaps. */
  #finishInput(): void {
    if (this.state !== 'ready') this.close('client', 'connection ended');
    else if (!this.bridge.destroyed) this.bridge.push(null);
  }

  #onStreamClosed(): void {
    this.#gone = true;
    if (this.state === 'closing') this.#onGone();
    else this.#onEnd();
  }
}

import type { RemoteInfo, Socket } from 'node:dgram';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import { datagramHash, type Handled, PENDING, REDO, SILENT } from './deduplication.ts';
import { Exchange } from './exchange.ts';
import { Fifo } from './fifo.ts';
import { encodeBare, encodeMessage, type Message, OptionCache, parseMessage } from './message.ts';
import type { RawOption } from './options.ts';
import { type Peer, PeerTable } from './peers.ts';
import { ACK, CON, Code, NON, RST } from './protocol.ts';
import { type Outcome, type Outgoing, ReliableSender } from './reliable.ts';
import type { Response } from './response.ts';
import { openUdp } from './udp.ts';

export interface EndpointHandlers {
  /** A request that was not seen before. */
  onRequest(exchange: Exchange): void;
  onRespond(exchange: Exchange, response: Response): void;
  /** A response; false when nobody asked for it, and the peer is told with a reset. */
  onResponse(peer: Peer, message: Message): boolean;
  /** A reset or an acknowledgement of a message that is not in the reliable sender's hands. */
  onReset(peer: Peer, id: number): void;
}

export interface EndpointOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1): first Message IDs and retransmission jitter. */
  readonly random: () => number;
  readonly maxPeers: number;
  readonly handlers: EndpointHandlers;
}

/** Exchanges remembered for all peers together: about 12 MB when full. */
const MAX_EXCHANGES = 100_000;
/** A confirmable request without an answer after this long gets an empty acknowledgement, ms. */
const SEPARATE_AFTER = 1_500;
const SEPARATE_TICK = 250;
/** Replies longer than this are computed again and not remembered when the method is safe. */
const MAX_REMEMBERED_REPLY = 64;
const EMPTY = Buffer.alloc(0);

/** The message layer (RFC 7252 §4): one socket, reliability, deduplication, and no idea of resources. */
export class Endpoint {
  readonly peers: PeerTable;
  readonly reliable: ReliableSender;
  readonly #options: EndpointOptions;
  readonly #cache = new OptionCache();
  readonly #waiting = new Fifo<Exchange>();
  readonly #respond: (exchange: Exchange, response: Response) => void;
  #socket: Socket | undefined;
  #cancelTick: (() => void) | undefined;
  /** Requests taken and not yet answered. */
  pending = 0;
  readonly counters = {
    received: 0,
    sent: 0,
    requests: 0,
    duplicates: 0,
    malformed: 0,
    ignored: 0,
    portZero: 0,
    resetsSent: 0,
    resetsReceived: 0,
    separate: 0,
    faults: 0,
  };

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.peers = new PeerTable({
      maxPeers: options.maxPeers,
      maxExchanges: MAX_EXCHANGES,
      random: options.random,
    });
    this.reliable = new ReliableSender(options.clock, options.random, (peer, bytes) =>
      this.transmit(peer, bytes),
    );
    this.#respond = (exchange, response) => options.handlers.onRespond(exchange, response);
  }

  async open(host: string, port: number, signal: AbortSignal): Promise<void> {
    this.#socket = await openUdp({
      host,
      port,
      signal,
      onDatagram: (datagram, from) => this.#onDatagram(datagram, from),
      onError: (error) => this.#options.log.error({ err: error }, 'coap: socket error, still listening'),
    });
  }

  get address(): { address: string; port: number } | undefined {
    return this.#socket?.address();
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.reliable.stop();
    this.#waiting.clear();
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  transmit(peer: Peer, bytes: Buffer): void {
    if (this.#socket === undefined) return;
    this.counters.sent += 1;
    this.#socket.send(bytes, 0, bytes.length, peer.port, peer.address);
  }

  /** Sends a message of our own that must arrive; the outcome is told once. */
  sendReliably(
    peer: Peer,
    id: number,
    bytes: Buffer,
    done: (outcome: Outcome) => void,
    renew?: () => { id: number; bytes: Buffer } | null,
  ): Outgoing {
    return this.reliable.send(peer, id, bytes, done, renew);
  }

  /** Puts a response on the wire: piggybacked, separate or non-confirmable as the request and the time ask. */
  reply(exchange: Exchange, code: number, options: readonly RawOption[], payload: Uint8Array): void {
    if (exchange.responded) return;
    exchange.responded = true;
    this.pending -= 1;
    exchange.peer.pins -= 1;
    const { peer, handled, token } = exchange;
    if (suppressed(exchange.options.noResponse, code)) {
      handled.reply = exchange.confirmable ? Code.EMPTY : SILENT;
      if (exchange.confirmable && !exchange.acknowledged) {
        this.transmit(peer, encodeBare(ACK, Code.EMPTY, exchange.id, EMPTY));
      }
      return;
    }
    const bare = options.length === 0 && payload.length === 0;
    if (exchange.confirmable && !exchange.acknowledged) {
      if (bare) {
        handled.reply = code;
        this.transmit(peer, encodeBare(ACK, code, exchange.id, token));
        return;
      }
      const bytes = encodeMessage(ACK, code, exchange.id, token, options, payload);
      handled.reply = exchange.code === Code.GET && bytes.length > MAX_REMEMBERED_REPLY ? REDO : bytes;
      this.transmit(peer, bytes);
      return;
    }
    const id = peer.nextId();
    const type = exchange.confirmable ? CON : NON;
    const bytes = encodeMessage(type, code, id, token, options, payload);
    handled.reply = exchange.confirmable ? Code.EMPTY : SILENT;
    if (exchange.confirmable) this.sendReliably(peer, id, bytes, ignoreOutcome);
    else this.transmit(peer, bytes);
  }

  /** Refuses a request message itself (RFC 7252 §4.2, §4.3). */
  reject(exchange: Exchange): void {
    if (exchange.responded) return;
    exchange.responded = true;
    this.pending -= 1;
    exchange.peer.pins -= 1;
    exchange.handled.reply = SILENT;
    this.#reset(exchange.peer, exchange.id);
  }

  #onDatagram(datagram: Buffer, from: RemoteInfo): void {
    this.counters.received += 1;
    // A reply to port 0 cannot be sent, and sending it throws.
    if (from.port === 0) {
      this.counters.portZero += 1;
      return;
    }
    try {
      const message = parseMessage(datagram, this.#cache);
      if (message === null) {
        this.counters.ignored += 1;
        return;
      }
      if ('malformed' in message) {
        this.counters.malformed += 1;
        if (message.type === CON) this.#reset(this.peers.get(from.address, from.port), message.id);
        return;
      }
      this.#onMessage(message, datagram, from);
    } catch (error) {
      this.counters.faults += 1;
      this.#options.log.error({ err: error, peer: from.address }, 'coap: fault on a datagram, it is dropped');
    }
  }

  #onMessage(message: Message, datagram: Buffer, from: RemoteInfo): void {
    const { type, code } = message;
    const kind = code >> 5;
    const peer = this.peers.get(from.address, from.port);
    if (type === ACK || type === RST) {
      this.#onReply(peer, message);
      return;
    }
    if (code === Code.EMPTY || kind === 1 || kind === 3 || kind > 5) {
      // A ping, or a code of a reserved class.
      this.counters.ignored += 1;
      if (type === CON) this.#reset(peer, message.id);
      return;
    }
    const now = this.#options.clock.monotonic();
    const hash = datagramHash(datagram);
    const seen = peer.exchanges.find(message.id, hash, now);
    if (seen !== undefined && seen.reply !== REDO) {
      this.#onDuplicate(peer, message, seen);
      return;
    }
    const handled: Handled = seen ?? { id: message.id, hash, at: now, reply: PENDING };
    if (seen === undefined) this.peers.grew(peer.exchanges.add(handled));
    if (kind === 0) this.#onRequest(peer, message, handled, now);
    else if (this.#options.handlers.onResponse(peer, message)) {
      handled.reply = Code.EMPTY;
      if (type === CON) this.transmit(peer, encodeBare(ACK, Code.EMPTY, message.id, EMPTY));
    } else {
      handled.reply = SILENT;
      this.#reset(peer, message.id);
    }
  }

  #onRequest(peer: Peer, message: Message, handled: Handled, now: number): void {
    this.counters.requests += 1;
    this.pending += 1;
    peer.pins += 1;
    const exchange = new Exchange(peer, message, handled, now, this.#respond);
    try {
      this.#options.handlers.onRequest(exchange);
    } catch (error) {
      this.counters.faults += 1;
      this.#options.log.error({ err: error, peer: peer.address }, 'coap: fault in a resource, answered 5.00');
      this.reply(exchange, Code.INTERNAL_SERVER_ERROR, [], EMPTY);
    }
    if (exchange.confirmable && !exchange.responded) {
      this.#waiting.push(exchange);
      this.#arm();
    }
  }

  #onDuplicate(peer: Peer, message: Message, seen: Handled): void {
    this.counters.duplicates += 1;
    const { reply } = seen;
    if (message.type !== CON || reply === PENDING || reply === SILENT) return;
    if (typeof reply !== 'number') this.transmit(peer, reply);
    else
      this.transmit(peer, encodeBare(ACK, reply, message.id, reply === Code.EMPTY ? EMPTY : message.token));
  }

  #onReply(peer: Peer, message: Message): void {
    const { type, code, id } = message;
    if (type === RST) {
      this.counters.resetsReceived += 1;
      if (code === Code.EMPTY && !this.reliable.settle(peer, id, 'reset')) {
        this.#options.handlers.onReset(peer, id);
      }
      return;
    }
    const kind = code >> 5;
    if (code !== Code.EMPTY && (kind < 2 || kind === 3 || kind > 5)) {
      this.counters.ignored += 1;
      return;
    }
    if (this.reliable.settle(peer, id, 'acknowledged') && code !== Code.EMPTY) {
      this.#options.handlers.onResponse(peer, message);
    }
  }

  #reset(peer: Peer, id: number): void {
    this.counters.resetsSent += 1;
    this.transmit(peer, encodeBare(RST, Code.EMPTY, id, EMPTY));
  }

  #arm(): void {
    if (this.#cancelTick !== undefined) return;
    this.#cancelTick = this.#options.clock.after(SEPARATE_TICK, () => {
      this.#cancelTick = undefined;
      this.#acknowledgeLate();
      if (this.#waiting.size > 0) this.#arm();
    });
  }

  #acknowledgeLate(): void {
    const due = this.#options.clock.monotonic() - SEPARATE_AFTER;
    const held: Exchange[] = [];
    for (;;) {
      const exchange = this.#waiting.peek();
      if (exchange === undefined || (!exchange.responded && exchange.since > due)) break;
      this.#waiting.shift();
      if (exchange.responded) continue;
      if (exchange.held) {
        held.push(exchange);
        continue;
      }
      exchange.acknowledged = true;
      exchange.handled.reply = Code.EMPTY;
      this.counters.separate += 1;
      this.transmit(exchange.peer, encodeBare(ACK, Code.EMPTY, exchange.id, EMPTY));
    }
    for (const exchange of held) this.#waiting.push(exchange);
  }
}

/** Whether No-Response (RFC 7967 §2.1) asks for silence about this class of response. */
function suppressed(noResponse: number | undefined, code: number): boolean {
  return noResponse !== undefined && (noResponse & (1 << ((code >> 5) - 1))) !== 0;
}

/** A separate response that is never acknowledged is given up; the client retransmits or asks again. */
function ignoreOutcome(): void {}

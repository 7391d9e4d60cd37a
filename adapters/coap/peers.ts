import { ExchangeLog } from './deduplication.ts';
import type { Outgoing } from './reliable.ts';

/** What the message layer knows of one remote endpoint (address and port). */
export class Peer {
  readonly address: string;
  readonly port: number;
  readonly exchanges = new ExchangeLog();
  /** Confirmable messages of ours that it has not acknowledged, by Message ID; made when first needed. */
  outgoing: Map<number, Outgoing> | undefined;
  /** Smoothed round-trip time of confirmable messages, ms; undefined before the first. */
  roundTrip: number | undefined;
  /** Counts reasons not to forget this peer: observations and messages under way. */
  pins = 0;
  /** Room for the layers above: authentication. */
  session: unknown;
  older: Peer | undefined;
  newer: Peer | undefined;
  #nextId: number;

  constructor(address: string, port: number, firstId: number) {
    this.address = address;
    this.port = port;
    this.#nextId = firstId & 0xffff;
  }

  /** Message ID of the next message we start (RFC 7252 §4.4: not reused within EXCHANGE_LIFETIME). */
  nextId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    return id;
  }

  toString(): string {
    return this.address.includes(':') ? `[${this.address}]:${this.port}` : `${this.address}:${this.port}`;
  }
}

/**
 * Remote endpoints, bounded by number and by the exchanges they hold together. The one that was silent longest is
 * forgotten first; its later retransmissions would count as new messages.
 */
export class PeerTable {
  readonly #peers = new Map<string, Map<number, Peer>>();
  readonly #maxPeers: number;
  readonly #maxExchanges: number;
  readonly #random: () => number;
  #newest: Peer | undefined;
  #oldest: Peer | undefined;
  #count = 0;
  #exchanges = 0;
  forgotten = 0;

  constructor(options: { maxPeers: number; maxExchanges: number; random: () => number }) {
    this.#maxPeers = options.maxPeers;
    this.#maxExchanges = options.maxExchanges;
    this.#random = options.random;
  }

  get size(): number {
    return this.#count;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** The peer, made when it is new, and marked as heard of just now. */
  get(address: string, port: number): Peer {
    let ports = this.#peers.get(address);
    if (ports === undefined) {
      ports = new Map();
      this.#peers.set(address, ports);
    }
    let peer = ports.get(port);
    if (peer === undefined) {
      peer = new Peer(address, port, Math.floor(this.#random() * 0x10000));
      ports.set(port, peer);
      this.#count += 1;
      this.#link(peer);
      this.#trim();
    } else if (peer !== this.#newest) {
      this.#unlink(peer);
      this.#link(peer);
    }
    return peer;
  }

  find(address: string, port: number): Peer | undefined {
    return this.#peers.get(address)?.get(port);
  }

  /** Tells that a peer's log grew by `more` exchanges. */
  grew(more: number): void {
    this.#exchanges += more;
    if (this.#exchanges > this.#maxExchanges) this.#trim();
  }

  #trim(): void {
    let peer = this.#oldest;
    while (peer !== undefined && (this.#count > this.#maxPeers || this.#exchanges > this.#maxExchanges)) {
      const next: Peer | undefined = peer.newer;
      if (next === undefined) break;
      if (peer.pins === 0 || this.#exchanges > this.#maxExchanges) this.#exchanges -= peer.exchanges.clear();
      if (peer.pins === 0) this.#forget(peer);
      peer = next;
    }
  }

  #forget(peer: Peer): void {
    this.#unlink(peer);
    this.#count -= 1;
    this.forgotten += 1;
    const ports = this.#peers.get(peer.address);
    ports?.delete(peer.port);
    if (ports?.size === 0) this.#peers.delete(peer.address);
  }

  #link(peer: Peer): void {
    peer.older = this.#newest;
    peer.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = peer;
    this.#newest = peer;
    if (this.#oldest === undefined) this.#oldest = peer;
  }

  #unlink(peer: Peer): void {
    if (peer.older !== undefined) peer.older.newer = peer.newer;
    else this.#oldest = peer.newer;
    if (peer.newer !== undefined) peer.newer.older = peer.older;
    else this.#newest = peer.older;
    peer.older = undefined;
    peer.newer = undefined;
  }
}

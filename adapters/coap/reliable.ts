import type { Clock } from '../../gateway/ports/clock.ts';
import type { Peer } from './peers.ts';
import { ACK_RANDOM_FACTOR, ACK_TIMEOUT, MAX_RETRANSMIT } from './protocol.ts';

/** How a confirmable message of ours ended. */
export type Outcome = 'acknowledged' | 'reset' | 'timeout' | 'stopped';

export interface Outgoing {
  readonly peer: Peer;
  id: number;
  bytes: Buffer;
  attempts: number;
  readonly firstSentAt: number;
  timeout: number;
  dueAt: number;
  /** Called before each retransmission; may put other bytes and a new id in place (RFC 7641 §4.5.2). */
  readonly renew: (() => { id: number; bytes: Buffer } | null) | undefined;
  readonly done: (outcome: Outcome) => void;
}

/** How often the table is looked through, ms. Retransmission times are that exact. */
const TICK = 100;

/** Confirmable messages of ours until they are acknowledged, reset or given up (RFC 7252 §4.2). */
export class ReliableSender {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #transmit: (peer: Peer, bytes: Buffer) => void;
  readonly #waiting = new Set<Outgoing>();
  #cancelTick: (() => void) | undefined;
  retransmissions = 0;
  timeouts = 0;

  constructor(clock: Clock, random: () => number, transmit: (peer: Peer, bytes: Buffer) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#transmit = transmit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Sends `bytes`, a confirmable message with Message ID `id`, until one of the outcomes. */
  send(
    peer: Peer,
    id: number,
    bytes: Buffer,
    done: (outcome: Outcome) => void,
    renew?: () => { id: number; bytes: Buffer } | null,
  ): Outgoing {
    const now = this.#clock.monotonic();
    const timeout = ACK_TIMEOUT * (1 + this.#random() * (ACK_RANDOM_FACTOR - 1));
    const outgoing: Outgoing = {
      peer,
      id,
      bytes,
      attempts: 0,
      firstSentAt: now,
      timeout,
      dueAt: now + timeout,
      renew,
      done,
    };
    peer.outgoing ??= new Map();
    peer.outgoing.set(id, outgoing);
    peer.pins += 1;
    this.#waiting.add(outgoing);
    this.#transmit(peer, bytes);
    this.#arm();
    return outgoing;
  }

  /** The message `id` to `peer` has been acknowledged or reset. False when there is none under way. */
  settle(peer: Peer, id: number, outcome: 'acknowledged' | 'reset'): boolean {
    const outgoing = peer.outgoing?.get(id);
    if (outgoing === undefined) return false;
    this.#remove(outgoing);
    if (outcome === 'acknowledged' && outgoing.attempts === 0) {
      const sample = this.#clock.monotonic() - outgoing.firstSentAt;
      peer.roundTrip = peer.roundTrip === undefined ? sample : peer.roundTrip * 0.875 + sample * 0.125;
    }
    outgoing.done(outcome);
    return true;
  }

  /** Stops sending without an outcome. */
  cancel(outgoing: Outgoing): void {
    if (this.#waiting.has(outgoing)) this.#remove(outgoing);
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    for (const outgoing of [...this.#waiting]) {
      this.#remove(outgoing);
      outgoing.done('stopped');
    }
  }

  #remove(outgoing: Outgoing): void {
    this.#waiting.delete(outgoing);
    outgoing.peer.outgoing?.delete(outgoing.id);
    outgoing.peer.pins -= 1;
  }

  #arm(): void {
    if (this.#cancelTick !== undefined || this.#waiting.size === 0) return;
    this.#cancelTick = this.#clock.after(TICK, () => {
      this.#cancelTick = undefined;
      this.#tick();
      this.#arm();
    });
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    for (const outgoing of this.#waiting) {
      if (outgoing.dueAt > now) continue;
      if (outgoing.attempts === MAX_RETRANSMIT) {
        this.timeouts += 1;
        this.#remove(outgoing);
        outgoing.done('timeout');
        continue;
      }
      outgoing.attempts += 1;
      outgoing.timeout *= 2;
      outgoing.dueAt = now + outgoing.timeout;
      const fresh = outgoing.renew?.() ?? null;
      if (fresh !== null) {
        outgoing.peer.outgoing?.delete(outgoing.id);
        outgoing.id = fresh.id;
        outgoing.bytes = fresh.bytes;
        outgoing.peer.outgoing?.set(outgoing.id, outgoing);
      }
      this.retransmissions += 1;
      this.#transmit(outgoing.peer, outgoing.bytes);
    }
  }
}

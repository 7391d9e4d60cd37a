import type { Clock } from '../../gateway/ports/clock.ts';
import type { Endpoint } from './endpoint.ts';
import type { Exchange, Request } from './exchange.ts';
import { encodeMessage } from './message.ts';
import type { OptionSet } from './options.ts';
import type { Peer } from './peers.ts';
import { CON, Code, NON } from './protocol.ts';
import type { Outgoing } from './reliable.ts';
import { type Response, responseOptions, type TransferOptions } from './response.ts';

/** One client's interest in one resource (RFC 7641 §4.1): known by endpoint and token. */
interface Observation {
  readonly peer: Peer;
  readonly token: Buffer;
  readonly options: OptionSet;
  readonly key: string;
  /** Notifications follow the type of the registration; non-confirmable ones are confirmed every so often. */
  readonly confirmable: boolean;
  sequence: number;
  /** The state has changed since the last notification. */
  dirty: boolean;
  /** The confirmable notification that is not acknowledged yet: there is never a second one. */
  outstanding: Outgoing | undefined;
  /** Message IDs of the newest non-confirmable notifications: a reset of one of them ends the observation. */
  readonly recentIds: number[];
  sinceConfirmed: number;
  /** Notifications that may be sent at once, refilled with time. */
  credit: number;
  creditAt: number;
  /** Monotonic ms after which the client's copy is no longer fresh. */
  staleAt: number;
  removed: boolean;
}

export interface ObserverOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly maxPerPeer: number;
  readonly maxTotal: number;
  /** Answers the observed request anew. */
  readonly render: (request: Request) => void;
  /** Cuts a notification to its first block. */
  readonly slice: (request: Request, response: Response) => { response: Response; transfer: TransferOptions };
}

/** Every so many notifications a non-confirmable observer must show that it is still there. */
const CONFIRM_EVERY = 10;
/** Without a measured round trip: one notification in 3 s on average, a few at once (RFC 7641 §4.5.1). */
const BLIND_INTERVAL = 3_000;
const BURST = 5;
const MIN_INTERVAL = 5;
const DEFAULT_MAX_AGE = 60;
const TICK = 1_000;
const RECENT_IDS = 8;
const EMPTY = Buffer.alloc(0);

/**
 * Observers and their notifications (RFC 7641). Each observer has at most one confirmable notification under way;
 * when the state changes meanwhile, the newest state follows once that one is settled and what lies between is never
 * sent. Delivery: eventually the newest state, not every state.
 */
export class Observers {
  readonly #options: ObserverOptions;
  readonly #byKey = new Map<string, Set<Observation>>();
  readonly #byPeer = new Map<Peer, Map<string, Observation>>();
  readonly #due = new Set<Observation>();
  #flush: NodeJS.Immediate | undefined;
  #cancelTick: (() => void) | undefined;
  #count = 0;
  readonly counters = { registered: 0, declined: 0, notifications: 0, confirmable: 0, ended: 0 };

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#count;
  }

  /** Adds or renews an observation. The sequence number of the first response, or undefined when there is no room. */
  register(exchange: Exchange, response: Response): number | undefined {
    const { peer } = exchange;
    const token = exchange.token.toString('latin1');
    const before = this.#byPeer.get(peer)?.get(token);
    if (before !== undefined) this.#remove(before);
    const mine = this.#byPeer.get(peer);
    if (this.#count >= this.#options.maxTotal || (mine?.size ?? 0) >= this.#options.maxPerPeer) {
      this.counters.declined += 1;
      return undefined;
    }
    const now = this.#options.clock.monotonic();
    const observation: Observation = {
      peer,
      token: Buffer.from(exchange.token),
      options: exchange.options,
      key: response.observable ?? '',
      confirmable: exchange.confirmable,
      sequence: before === undefined ? 2 : next(before.sequence),
      dirty: false,
      outstanding: undefined,
      recentIds: [],
      sinceConfirmed: 0,
      credit: BURST,
      creditAt: now,
      staleAt: now + staleAfter(response),
      removed: false,
    };
    if (mine === undefined) this.#byPeer.set(peer, new Map([[token, observation]]));
    else mine.set(token, observation);
    const same = this.#byKey.get(observation.key);
    if (same === undefined) this.#byKey.set(observation.key, new Set([observation]));
    else same.add(observation);
    this.#count += 1;
    peer.pins += 1;
    this.counters.registered += 1;
    this.#arm();
    return observation.sequence;
  }

  /** Ends the observation of a client that asked for it (Observe: 1). */
  cancel(peer: Peer, token: Buffer): void {
    const observation = this.#byPeer.get(peer)?.get(token.toString('latin1'));
    if (observation !== undefined) this.#remove(observation);
  }

  /** A client rejected a notification: it has forgotten the observation. */
  onReset(peer: Peer, id: number): void {
    for (const observation of this.#byPeer.get(peer)?.values() ?? []) {
      if (observation.recentIds.includes(id)) {
        this.#remove(observation);
        return;
      }
    }
  }

  /** The state `key` has changed: everyone who watches it gets the newest as soon as the rules allow. */
  changed(key: string): void {
    const watching = this.#byKey.get(key);
    if (watching === undefined) return;
    for (const observation of watching) this.#markDue(observation);
  }

  stop(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    for (const mine of [...this.#byPeer.values()]) for (const one of [...mine.values()]) this.#remove(one);
  }

  #markDue(observation: Observation): void {
    observation.dirty = true;
    this.#due.add(observation);
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#notifyDue();
    });
  }

  #notifyDue(): void {
    const now = this.#options.clock.monotonic();
    for (const observation of this.#due) {
      if (observation.outstanding !== undefined) {
        this.#due.delete(observation);
      } else if (this.#mayNotify(observation, now)) {
        this.#due.delete(observation);
        this.#notify(observation);
      }
    }
    if (this.#due.size > 0) this.#arm();
  }

  /** Confirmable notifications pace themselves; the others draw on a credit of one per round trip. */
  #mayNotify(observation: Observation, now: number): boolean {
    if (observation.confirmable) return true;
    const interval = Math.max(observation.peer.roundTrip ?? BLIND_INTERVAL, MIN_INTERVAL);
    observation.credit = Math.min(BURST, observation.credit + (now - observation.creditAt) / interval);
    observation.creditAt = now;
    if (observation.credit < 1) return false;
    observation.credit -= 1;
    return true;
  }

  #notify(observation: Observation): void {
    this.#render(observation, (response, transfer) => {
      if (observation.removed) return;
      const last = response.code >> 5 !== 2;
      const confirm = observation.confirmable || observation.sinceConfirmed + 1 >= CONFIRM_EVERY || last;
      const { peer } = observation;
      const id = peer.nextId();
      const bytes = this.#encode(observation, confirm ? CON : NON, id, response, transfer);
      this.counters.notifications += 1;
      if (last) this.#remove(observation);
      if (!confirm) {
        observation.sinceConfirmed += 1;
        observation.recentIds.push(id);
        if (observation.recentIds.length > RECENT_IDS) observation.recentIds.shift();
        this.#options.endpoint.transmit(peer, bytes);
        return;
      }
      this.counters.confirmable += 1;
      observation.sinceConfirmed = 0;
      const outgoing = this.#options.endpoint.sendReliably(
        peer,
        id,
        bytes,
        (outcome) => this.#settled(observation, outcome),
        () => this.#renewed(observation),
      );
      if (!last) observation.outstanding = outgoing;
    });
  }

  #settled(observation: Observation, outcome: string): void {
    observation.outstanding = undefined;
    if (observation.removed || outcome === 'stopped') return;
    if (outcome !== 'acknowledged') this.#remove(observation);
    else if (observation.dirty) this.#markDue(observation);
  }

  /** What a retransmission carries when the state has changed since (RFC 7641 §4.5.2). */
  #renewed(observation: Observation): { id: number; bytes: Buffer } | null {
    if (!observation.dirty || observation.removed) return null;
    let fresh: { id: number; bytes: Buffer } | null = null;
    this.#render(observation, (response, transfer) => {
      if (response.code >> 5 !== 2) return;
      const id = observation.peer.nextId();
      fresh = { id, bytes: this.#encode(observation, CON, id, response, transfer) };
    });
    return fresh;
  }

  #render(observation: Observation, ready: (response: Response, transfer: TransferOptions) => void): void {
    observation.dirty = false;
    const { peer, options } = observation;
    const request: Request = {
      peer,
      options,
      code: Code.GET,
      payload: EMPTY,
      respond: (whole) => {
        const { response, transfer } = this.#options.slice(request, whole);
        ready(response, transfer);
      },
    };
    this.#options.render(request);
  }

  #encode(
    observation: Observation,
    type: 0 | 1,
    id: number,
    response: Response,
    transfer: TransferOptions,
  ): Buffer {
    const { token } = observation;
    const payload = response.payload ?? EMPTY;
    if (response.code >> 5 !== 2) {
      return encodeMessage(type, response.code, id, token, responseOptions(response, transfer), payload);
    }
    observation.sequence = next(observation.sequence);
    observation.staleAt = this.#options.clock.monotonic() + staleAfter(response);
    const options = responseOptions(response, { ...transfer, observe: observation.sequence });
    return encodeMessage(type, response.code, id, token, options, payload);
  }

  #remove(observation: Observation): void {
    if (observation.removed) return;
    observation.removed = true;
    this.#due.delete(observation);
    if (observation.outstanding !== undefined)
      this.#options.endpoint.reliable.cancel(observation.outstanding);
    observation.outstanding = undefined;
    const mine = this.#byPeer.get(observation.peer);
    mine?.delete(observation.token.toString('latin1'));
    if (mine?.size === 0) this.#byPeer.delete(observation.peer);
    const same = this.#byKey.get(observation.key);
    same?.delete(observation);
    if (same?.size === 0) this.#byKey.delete(observation.key);
    this.#count -= 1;
    observation.peer.pins -= 1;
    this.counters.ended += 1;
  }

  /** Looks once a second (sooner when a paced observer waits) for copies that are about to become stale. */
  #arm(): void {
    if (this.#cancelTick !== undefined || this.#count === 0) return;
    this.#cancelTick = this.#options.clock.after(this.#due.size > 0 ? TICK / 10 : TICK, () => {
      this.#cancelTick = undefined;
      const now = this.#options.clock.monotonic();
      for (const mine of this.#byPeer.values()) {
        for (const observation of mine.values()) if (observation.staleAt <= now) this.#markDue(observation);
      }
      if (this.#due.size > 0) this.#notifyDue();
      this.#arm();
    });
  }
}

function staleAfter(response: Response): number {
  return (response.maxAge ?? DEFAULT_MAX_AGE) * 900;
}

/** Sequence numbers have 24 bits and wrap (RFC 7641 §4.4). */
function next(sequence: number): number {
  return (sequence + 1) & 0xffffff;
}

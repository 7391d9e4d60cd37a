import { isIPv6 } from 'node:net';
import type { Clock } from '../ports/clock.ts';

/** Failures in a row that cost nothing: typing mistakes. */
const FREE_FAILURES = 5;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** Addresses remembered; the one that failed longest ago is forgotten first. */
const MAX_PEERS = 4096;

/**
 * Where a connection comes from, as far as guessing goes: whoever has an IPv6 address has 2^64 of them (RFC 4291 §2.5.4),
 * so its network stands for it.
 */
export function placeOf(peer: string): string {
  const plain = peer.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const all = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** Slows down guessing: after a few failures in a row an address must wait, twice as long each time, up to a minute. */
export class Throttle {
  readonly #clock: Clock;
  readonly #free: number;
  /** In the order of the last failure. */
  readonly #peers = new Map<string, { failures: number; until: number }>();

  /** @param free failures in a row that cost nothing */
  constructor(clock: Clock, free = FREE_FAILURES) {
    this.#clock = clock;
    this.#free = free;
  }

  blocked(peer: string): boolean {
    const entry = this.#peers.get(peer);
    return entry !== undefined && this.#clock.monotonic() < entry.until;
  }

  failed(peer: string): void {
    const failures = (this.#peers.get(peer)?.failures ?? 0) + 1;
    const over = failures - this.#free;
    const pause = over <= 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(over - 1, 16));
    this.#peers.delete(peer);
    if (this.#peers.size >= MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value!);
    this.#peers.set(peer, { failures, until: this.#clock.monotonic() + pause });
  }

  succeeded(peer: string): void {
    this.#peers.delete(peer);
  }
}

import type { Clock } from '../ports/clock.ts';

/** Failures in a row that cost nothing: typing mistakes. */
const FREE_FAILURES = 5;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** Addresses remembered; the one that failed longest ago is forgotten first. */
const MAX_PEERS = 4096;

/** Slows down guessing: after a few failures in a row an address must wait, twice as long each time, up to a minute. */
export class Throttle {
  readonly #clock: Clock;
  /** In the order of the last failure. */
  readonly #peers = new Map<string, { failures: number; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  blocked(peer: string): boolean {
    const entry = this.#peers.get(peer);
    return entry !== undefined && this.#clock.monotonic() < entry.until;
  }

  failed(peer: string): void {
    const failures = (this.#peers.get(peer)?.failures ?? 0) + 1;
    const over = failures - FREE_FAILURES;
    const pause = over <= 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(over - 1, 16));
    this.#peers.delete(peer);
    if (this.#peers.size >= MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value!);
    this.#peers.set(peer, { failures, until: this.#clock.monotonic() + pause });
  }

  succeeded(peer: string): void {
    this.#peers.delete(peer);
  }
}

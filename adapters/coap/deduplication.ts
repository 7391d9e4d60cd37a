import { Fifo } from './fifo.ts';
import { EXCHANGE_LIFETIME } from './protocol.ts';

/**
 * Message deduplication (RFC 7252 §4.5): what was answered to a Message ID, for as long as a retransmission of it
 * may still arrive. A retransmission equals the first copy byte for byte, so the hash of the datagram is compared as
 * well: a device that restarts and reuses a Message ID for another reading is heard.
 */
export interface Handled {
  readonly id: number;
  readonly hash: number;
  /** Monotonic ms. */
  readonly at: number;
  /**
   * What a duplicate gets: nothing yet, an empty acknowledgement, processing again (safe methods), an acknowledgement
   * that is this code alone, or these bytes.
   */
  reply: typeof PENDING | typeof SILENT | typeof REDO | number | Buffer;
}

export const PENDING = -1;
/** A duplicate is dropped: it was non-confirmable, or no answer was wanted. */
export const SILENT = -2;
export const REDO = -3;

/** Exchanges remembered for one endpoint: 41 s of retransmissions at 100 messages a second. */
export const MAX_PER_PEER = 4096;

export class ExchangeLog {
  readonly #byId = new Map<number, Handled>();
  readonly #order = new Fifo<Handled>();

  get size(): number {
    return this.#order.size;
  }

  find(id: number, hash: number, now: number): Handled | undefined {
    const handled = this.#byId.get(id);
    if (handled === undefined || handled.hash !== hash || now - handled.at >= EXCHANGE_LIFETIME)
      return undefined;
    return handled;
  }

  /** Remembers a new exchange and forgets those that are over or too many. Returns how many more are now kept. */
  add(handled: Handled): number {
    const before = this.#order.size;
    for (;;) {
      const oldest = this.#order.peek();
      if (oldest === undefined) break;
      if (this.#order.size < MAX_PER_PEER && handled.at - oldest.at < EXCHANGE_LIFETIME) break;
      this.#forgetOldest();
    }
    this.#byId.set(handled.id, handled);
    this.#order.push(handled);
    return this.#order.size - before;
  }

  /** Returns how many were kept. */
  clear(): number {
    const kept = this.#order.size;
    this.#byId.clear();
    this.#order.clear();
    return kept;
  }

  #forgetOldest(): void {
    const oldest = this.#order.shift();
    // The same id may have been taken by a younger exchange since.
    if (oldest !== undefined && this.#byId.get(oldest.id) === oldest) this.#byId.delete(oldest.id);
  }
}

/** FNV-1a over the datagram. */
export function datagramHash(datagram: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < datagram.length; i += 1) hash = Math.imul(hash ^ datagram[i]!, 0x01000193);
  return hash;
}

import { GatewayProblem } from './errors.ts';

/** How a publication ends: without an error once the broker has acknowledged it (QoS 0: once it was written). */
export type Published = (error?: Error) => void;

export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface Waiting extends Publication {
  readonly done: Published;
  /** Handed to the connection that is open now. */
  sent: boolean;
  /** Connections that ended while this was the oldest on its way. */
  ends: number;
}

/** A broker closes the connection of who may not publish; after so many times it is this message that is refused. */
const MAX_ENDS = 3;

/**
 * Publications until they are acknowledged, in order, bounded in number and bytes. Kept in memory: what the process
 * holds when it dies is lost, and the flow has not been told otherwise.
 */
export class Outbox {
  readonly #waiting: Waiting[] = [];
  readonly #max: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(max = 1000, maxBytes = 32 * 1024 * 1024) {
    this.#max = max;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** @throws GatewayProblem OUTBOX_FULL */
  add(publication: Publication, done: Published): Waiting {
    const bytes = publication.payload.length;
    if (this.#waiting.length >= this.#max || this.#bytes + bytes > this.#maxBytes)
      throw new GatewayProblem(
        'OUTBOX_FULL',
        `${this.#waiting.length} messages already wait for the gateway`,
      );
    const entry = { ...publication, done, sent: false, ends: 0 };
    this.#waiting.push(entry);
    this.#bytes += bytes;
    return entry;
  }

  /** The oldest that are not on their way yet, as many as `window` leaves room for. */
  unsent(window: number): Waiting[] {
    let room = window;
    const list: Waiting[] = [];
    for (const entry of this.#waiting) {
      if (room-- <= 0) break;
      if (!entry.sent) list.push(entry);
    }
    return list;
  }

  /** Takes one out; false when it was not there any more. */
  remove(entry: Waiting): boolean {
    const at = this.#waiting.indexOf(entry);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    this.#bytes -= entry.payload.length;
    return true;
  }

  /** The connection has ended: all is to be sent again, but not what ends one connection after the other. */
  rewind(): void {
    const oldest = this.#waiting.find(({ sent }) => sent);
    for (const entry of this.#waiting) entry.sent = false;
    if (!oldest || ++oldest.ends < MAX_ENDS) return;
    this.remove(oldest);
    oldest.done(
      new GatewayProblem('REFUSED', `the connection ended ${MAX_ENDS} times at a message to ${oldest.topic}`),
    );
  }

  /** Gives everything up. */
  clear(reason: Error): void {
    this.#bytes = 0;
    for (const { done } of this.#waiting.splice(0)) done(reason);
  }
}

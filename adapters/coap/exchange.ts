import type { Handled } from './deduplication.ts';
import type { Message } from './message.ts';
import type { OptionSet } from './options.ts';
import type { Peer } from './peers.ts';
import { CON } from './protocol.ts';
import type { Response } from './response.ts';

/** A request as a resource sees it: of a datagram, of a whole Block1 transfer, or repeated for an observer. */
export interface Request {
  readonly peer: Peer;
  readonly code: number;
  readonly options: OptionSet;
  readonly payload: Uint8Array;
  /** Absent when it came in no message of its own. */
  readonly confirmable?: boolean;
  /** Exactly once. */
  respond(response: Response): void;
  /** While it is held, no acknowledgement goes out before the response. */
  hold?(held: boolean): void;
}

/** A request message on its way to its response. */
export class Exchange implements Request {
  readonly peer: Peer;
  readonly confirmable: boolean;
  readonly code: number;
  readonly id: number;
  readonly token: Buffer;
  readonly options: OptionSet;
  /** The body, once all of it is there. */
  payload: Buffer;
  readonly handled: Handled;
  /** Monotonic ms. */
  readonly since: number;
  readonly #respond: (exchange: Exchange, response: Response) => void;
  /** An empty acknowledgement has been sent; the response will be separate (RFC 7252 §5.2.2). */
  acknowledged = false;
  responded = false;
  held = false;

  constructor(
    peer: Peer,
    message: Message,
    handled: Handled,
    since: number,
    respond: (exchange: Exchange, response: Response) => void,
  ) {
    this.peer = peer;
    this.confirmable = message.type === CON;
    this.code = message.code;
    this.id = message.id;
    this.token = message.token;
    this.options = message.options;
    this.payload = message.payload;
    this.handled = handled;
    this.since = since;
    this.#respond = respond;
  }

  hold(held: boolean): void {
    this.held = held;
  }

  respond(response: Response): void {
    this.#respond(this, response);
  }
}

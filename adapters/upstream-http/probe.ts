import { connect, type Socket } from 'node:net';
import type { Clock } from '../../gateway/ports/clock.ts';

/** Between two looks, on average; each is between half and one and a half of it, so that many gateways come back spread out. */
const EVERY_MS = 1000;
/** A place that does not even answer the handshake by then is not back. */
const HANDSHAKE_MS = 3000;

export interface ProbeParts {
  readonly url: URL;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** It could not be connected to, and now can. */
  readonly onBack: () => void;
}

/**
 * Looks whether a place that was away can be connected to again, so that nobody has to wait for a whole pause of the
 * back-off. Says so once, and only after it was seen to be away: a server that takes connections and fails is left to
 * the back-off. Costs one TCP handshake a second, one at a time.
 */
export class Probe {
  readonly #parts: ProbeParts;
  readonly #host: string;
  readonly #port: number;
  #cancel: (() => void) | undefined;
  #socket: Socket | undefined;
  #away = false;

  constructor(parts: ProbeParts) {
    const { hostname, port, protocol } = parts.url;
    this.#parts = parts;
    this.#host = hostname.replace(/^\[(.*)\]$/, '$1');
    this.#port = Number(port) || (protocol === 'https:' ? 443 : 80);
  }

  /** Begins to look. @param away whether it is known that it cannot be connected to */
  start(away: boolean): void {
    this.stop();
    this.#away = away;
    this.#later();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #later(): void {
    const { clock, random } = this.#parts;
    this.#cancel = clock.after(EVERY_MS * (0.5 + random()), () => this.#look());
  }

  #look(): void {
    const socket = connect(this.#port, this.#host);
    this.#socket = socket;
    this.#cancel = this.#parts.clock.after(HANDSHAKE_MS, () => this.#seen(socket, false));
    socket.once('connect', () => this.#seen(socket, true));
    socket.on('error', () => this.#seen(socket, false));
  }

  #seen(socket: Socket, there: boolean): void {
    if (this.#socket !== socket) return;
    const wasAway = this.#away;
    this.stop();
    this.#away = !there;
    if (!there) this.#later();
    else if (wasAway) this.#parts.onBack();
  }
}

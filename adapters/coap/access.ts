import type { AccessControl, Principal } from '../../gateway/ports/access.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Peer } from './peers.ts';

/** Kept on {@link Peer.session}. */
interface Session {
  principal: Principal | null;
  /** Monotonic ms after which the principal is asked for again. */
  until: number;
  waiting: (() => void)[] | undefined;
}

/** How long an answer of the access control is believed, ms. */
const BELIEVED = 60_000;
/** Requests of one endpoint that wait for its first authentication. */
const MAX_WAITING = 64;

/**
 * Who an endpoint is. Plain CoAP carries no credentials, so the access control sees only the address and admits the
 * anonymous principal or nobody; a DTLS session will hand its PSK identity over in the same place.
 */
export class Authentication {
  readonly #access: AccessControl;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(access: AccessControl, clock: Clock, log: Log) {
    this.#access = access;
    this.#clock = clock;
    this.#log = log;
  }

  /** The principal, null when nobody is accepted, or undefined when it is not known and {@link ask} must be called. */
  known(peer: Peer): Principal | null | undefined {
    const session = peer.session as Session | undefined;
    if (session === undefined || session.waiting !== undefined || session.until <= this.#clock.monotonic()) {
      return undefined;
    }
    return session.principal;
  }

  /** Finds out and calls `then`. False when too many already wait. */
  ask(peer: Peer, then: () => void): boolean {
    let session = peer.session as Session | undefined;
    if (session?.waiting !== undefined) {
      if (session.waiting.length >= MAX_WAITING) return false;
      session.waiting.push(then);
      return true;
    }
    session = { principal: null, until: 0, waiting: [then] };
    peer.session = session;
    void this.#resolve(peer, session);
    return true;
  }

  async #resolve(peer: Peer, session: Session): Promise<void> {
    try {
      session.principal = await this.#access.authenticate({
        clientId: `coap:${peer}`,
        peer: peer.address.replace(/^::ffff:(?=\d+\.)/, ''),
      });
    } catch (error) {
      this.#log.warn({ err: error, peer: peer.address }, 'coap: cannot authenticate, the requests get 4.01');
    }
    session.until = this.#clock.monotonic() + BELIEVED;
    const waiting = session.waiting ?? [];
    session.waiting = undefined;
    for (const then of waiting) then();
  }
}

/** The MQTT topic whose access rules hold for a CoAP path. */
export function topicOf(path: string): string {
  if (path.startsWith('s/') || path.startsWith('infer/')) return `aimx/${path}`;
  return path.startsWith('r/') ? `aimx/result/${path.slice(2)}` : path;
}

import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Block } from './block.ts';
import { Endpoint } from './endpoint.ts';
import type { Exchange, Request } from './exchange.ts';
import { Observers } from './observers.ts';
import type { RawOption } from './options.ts';
import { Code } from './protocol.ts';
import { CHANGED, failure, type Response, responseOptions, unavailable } from './response.ts';
import { Snapshots } from './snapshots.ts';
import { Transfers } from './transfers.ts';

/** What a server serves. */
export interface Resources {
  /**
   * Called for each request message, before a body is gathered. True to go on; false when it has responded, or will
   * call `proceed` later.
   */
  admit(exchange: Exchange, proceed: () => void): boolean;
  /** Answers a request with its whole body by `request.respond`, now or later. */
  handle(request: Request): void;
}

export interface ServerOptions {
  readonly resources: Resources;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Endpoints whose exchanges are remembered. */
  readonly maxPeers: number;
  readonly maxBody: number;
  readonly maxObservers: number;
  readonly maxObserversPerPeer: number;
}

const NO_OPTIONS: readonly RawOption[] = [];
const EMPTY = Buffer.alloc(0);
/** Partial bodies of all clients together. */
const MAX_PARTIAL_BYTES = 16 << 20;
const MAX_PARTIAL = 1_000;
const MAX_PARTIAL_PER_PEER = 4;
/** RFC 7959 §2.5 wants EXCHANGE_LIFETIME at most; a client that pauses longer than this starts again. */
const PARTIAL_EXPIRY = 120_000;
const DRAIN_STEP = 10;
const DRAIN_LIMIT = 5_000;

/** A CoAP server: option rules, block-wise transfers and observation in front of {@link Resources}. */
export class Server {
  readonly endpoint: Endpoint;
  readonly observers: Observers;
  readonly transfers: Transfers;
  readonly #snapshots: Snapshots;
  readonly #resources: Resources;
  readonly #clock: Clock;
  #stopping = false;

  constructor(options: ServerOptions) {
    const { clock, resources } = options;
    const now = () => clock.monotonic();
    this.#clock = clock;
    this.#resources = resources;
    this.endpoint = new Endpoint({
      clock,
      log: options.log,
      random: options.random,
      maxPeers: options.maxPeers,
      handlers: {
        onRequest: (exchange) => this.#onRequest(exchange),
        onRespond: (exchange, response) => this.#onRespond(exchange, response),
        onResponse: () => false,
        onReset: (peer, id) => this.observers.onReset(peer, id),
      },
    });
    this.#snapshots = new Snapshots(now);
    this.transfers = new Transfers(
      {
        maxBody: options.maxBody,
        maxTransfers: MAX_PARTIAL,
        maxPerPeer: MAX_PARTIAL_PER_PEER,
        maxBytes: Math.max(MAX_PARTIAL_BYTES, options.maxBody),
        expiry: PARTIAL_EXPIRY,
      },
      now,
    );
    this.observers = new Observers({
      endpoint: this.endpoint,
      clock,
      maxPerPeer: options.maxObserversPerPeer,
      maxTotal: options.maxObservers,
      render: (request) => resources.handle(request),
      slice: (request, response) => this.#snapshots.slice(request, response),
    });
  }

  async start(host: string, port: number, signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    await this.endpoint.open(host, port, signal);
  }

  /** New requests get 5.03 while those under way finish, for at most five seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.observers.stop();
    const end = this.#clock.monotonic() + DRAIN_LIMIT;
    while (this.endpoint.pending > 0 && this.#clock.monotonic() < end) {
      await new Promise<void>((resolve) => this.#clock.after(DRAIN_STEP, resolve));
    }
    await this.endpoint.close();
  }

  #onRequest(exchange: Exchange): void {
    const { options, code } = exchange;
    if (options.bad !== 0) {
      if (!exchange.confirmable) this.endpoint.reject(exchange);
      else exchange.respond(failure(Code.BAD_OPTION, `option ${options.bad} is not understood or malformed`));
      return;
    }
    if (options.proxy) {
      exchange.respond(failure(Code.PROXYING_NOT_SUPPORTED, 'this is no proxy'));
    } else if (code > Code.DELETE) {
      exchange.respond(failure(Code.METHOD_NOT_ALLOWED, 'GET, POST, PUT and DELETE are known'));
    } else if (this.#stopping) {
      exchange.respond(unavailable('the gateway is stopping', 5));
    } else if (this.#resources.admit(exchange, () => this.#proceed(exchange))) {
      this.#proceed(exchange);
    }
  }

  #proceed(exchange: Exchange): void {
    const { block1, block2 } = exchange.options;
    if (block1 !== undefined && exchange.code !== Code.GET) {
      const taken = this.transfers.take(exchange, block1);
      if ('response' in taken) {
        exchange.respond(taken.response);
        return;
      }
      exchange.payload = taken.body;
    }
    if (block2 !== undefined) {
      if (block2.szx === 7) {
        exchange.respond(failure(Code.BAD_REQUEST, 'block size exponent 7 is reserved'));
        return;
      }
      const begun = block2.num > 0 ? this.#snapshots.find(exchange) : undefined;
      if (begun !== undefined) {
        exchange.respond(begun);
        return;
      }
      if (block2.num > 0 && exchange.code !== Code.GET) {
        exchange.respond(
          failure(Code.REQUEST_ENTITY_INCOMPLETE, 'the response is no longer kept: ask again'),
        );
        return;
      }
    }
    this.#resources.handle(exchange);
  }

  #onRespond(exchange: Exchange, response: Response): void {
    const { options } = exchange;
    if (response === CHANGED && options.block1 === undefined) {
      this.endpoint.reply(exchange, Code.CHANGED, NO_OPTIONS, EMPTY);
      return;
    }
    const { response: part, transfer } = this.#snapshots.slice(exchange, response);
    const all = responseOptions(part, {
      ...transfer,
      observe: this.#observe(exchange, response),
      block1: echoed(exchange, response),
    });
    this.endpoint.reply(exchange, part.code, all, part.payload ?? EMPTY);
  }

  #observe(exchange: Exchange, response: Response): number | undefined {
    const { observe, block2 } = exchange.options;
    if (observe === undefined || exchange.code !== Code.GET || (block2?.num ?? 0) > 0) return undefined;
    if (observe !== 0 || response.observable === undefined || response.code >> 5 !== 2) {
      this.observers.cancel(exchange.peer, exchange.token);
      return undefined;
    }
    return this.observers.register(exchange, response);
  }
}

/** Block1 goes back with every answer to a block, except where it would read as "try smaller blocks" (RFC 7959 §2.9.3). */
function echoed(exchange: Exchange, response: Response): Block | undefined {
  const { block1 } = exchange.options;
  if (exchange.code === Code.GET || block1?.szx === 7) return undefined;
  return response.code === Code.REQUEST_ENTITY_TOO_LARGE ? undefined : block1;
}

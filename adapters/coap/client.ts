import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { GatewayError } from '../../gateway/errors.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import { type ClientObservation, type ObserveListener, watch } from './client-observe.ts';
import { type ClientRequest, type ClientResponse, toMessage } from './client-request.ts';
import { transferBody } from './client-transfer.ts';
import { Endpoint } from './endpoint.ts';
import { Fifo } from './fifo.ts';
import { encodeBare, encodeMessage, type Message } from './message.ts';
import type { RawOption } from './options.ts';
import type { Peer } from './peers.ts';
import { CON, Code, NON } from './protocol.ts';
import type { Outgoing } from './reliable.ts';

export type { ClientObservation, ObserveListener } from './client-observe.ts';
export type { ClientRequest, ClientResponse } from './client-request.ts';

export interface CoapClientOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Requests under way at a time; RFC 7252 §4.7 asks for 1 where the path is not known to carry more. */
  readonly window?: number;
  /** Payload bytes of one block: 16 … 1024, a power of two. */
  readonly blockSize?: number;
  /** How long to wait for a separate or a non-confirmable response, ms. */
  readonly patience?: number;
  readonly random?: () => number;
}

/** One message that waits for its response. */
interface Pending {
  readonly outgoing: Outgoing | undefined;
  readonly resolve: (response: Message) => void;
  readonly reject: (error: Error) => void;
  cancelTimer: (() => void) | undefined;
}

/** Requests that may wait for the window. */
const MAX_QUEUED = 10_000;
const PATIENCE = 93_000;

/**
 * A CoAP client for one server: confirmable requests with retransmission, Block1 and Block2, Observe. Delivery: a
 * response is proof that the server has taken the request; after COAP_TIMEOUT it may have or not.
 */
export class CoapClient {
  readonly #options: CoapClientOptions;
  readonly #endpoint: Endpoint;
  readonly #pending = new Map<string, Pending>();
  readonly #watched = new Map<string, (message: Message) => void>();
  readonly #queue = new Fifo<() => void>();
  #running = 0;
  #server: Peer | undefined;

  constructor(options: CoapClientOptions) {
    this.#options = options;
    this.#endpoint = new Endpoint({
      clock: options.clock,
      log: options.log,
      random: options.random ?? Math.random,
      maxPeers: 16,
      handlers: {
        onRequest: (exchange) => this.#endpoint.reject(exchange),
        onRespond: () => {},
        onResponse: (peer, message) => peer === this.#server && this.#onResponse(message),
        onReset: () => {},
      },
    });
  }

  /** Looks the server up and opens a socket. Sends nothing. */
  async open(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { host, port } = this.#options;
    const family = isIP(host);
    const target = family === 0 ? await lookup(host, { order: 'ipv4first' }) : { address: host, family };
    await this.#endpoint.open(target.family === 6 ? '::' : '0.0.0.0', 0, signal);
    this.#server = this.#endpoint.peers.get(target.address, port);
    this.#server.pins += 1;
  }

  /** Ends what is under way with COAP_CLOSED. Idempotent. */
  async close(): Promise<void> {
    this.#watched.clear();
    for (const token of [...this.#pending.keys()]) this.#fail(token, closed());
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    await this.#endpoint.close();
    this.#server = undefined;
  }

  /** Asks whether the server is there: an empty confirmable message, which it resets (RFC 7252 §4.3). */
  ping(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const id = server.nextId();
      this.#endpoint.sendReliably(server, id, encodeBare(CON, Code.EMPTY, id, Buffer.alloc(0)), (outcome) => {
        if (outcome === 'reset') resolve();
        else reject(outcome === 'stopped' ? closed() : unanswered(this.#options));
      });
    });
  }

  /**
   * Sends a request and resolves with the response, whatever its code, once its whole body is here.
   * @throws GatewayError COAP_TIMEOUT, COAP_RESET, COAP_PROTOCOL, COAP_BUSY or COAP_CLOSED
   */
  async request(request: ClientRequest): Promise<ClientResponse> {
    await this.#enter();
    try {
      return await transferBody(request, this.#options.blockSize ?? 1024, (options, payload) =>
        this.#exchange(request.method, options, payload, request.confirmable ?? true),
      );
    } finally {
      this.#leave();
    }
  }

  /**
   * Observes a resource (RFC 7641): `listener` gets the present state and each newer one. Registers again by itself
   * when the server falls silent past Max-Age.
   */
  observe(
    request: Omit<ClientRequest, 'method' | 'payload'>,
    listener: ObserveListener,
  ): Promise<ClientObservation> {
    return watch({
      clock: this.#options.clock,
      random: this.#options.random ?? Math.random,
      register: async (token, observe, receive) => {
        this.#watched.set(token.toString('latin1'), receive);
        const options = toMessage({ ...request, method: 'GET' }, { observe });
        return this.#exchange('GET', options, Buffer.alloc(0), request.confirmable ?? true, token);
      },
      forget: (token) => void this.#watched.delete(token.toString('latin1')),
      fetchRest: (first) =>
        transferBody(
          { ...request, method: 'GET' },
          this.#options.blockSize ?? 1024,
          (options, payload) => this.#exchange('GET', options, payload, true),
          first,
        ),
      listener,
    });
  }

  /** One message and its response. */
  #exchange(
    method: ClientRequest['method'],
    options: readonly RawOption[],
    payload: Uint8Array,
    confirmable: boolean,
    token: Buffer = randomBytes(4),
  ): Promise<Message> {
    const server = this.#server;
    if (server === undefined) return Promise.reject(closed());
    const key = token.toString('latin1');
    const code = { GET: 1, POST: 2, PUT: 3, DELETE: 4 }[method];
    return new Promise((resolve, reject) => {
      const id = server.nextId();
      const bytes = encodeMessage(confirmable ? CON : NON, code, id, token, options, payload);
      const { endpoint, patience } = {
        endpoint: this.#endpoint,
        patience: this.#options.patience ?? PATIENCE,
      };
      const outgoing = confirmable
        ? endpoint.sendReliably(server, id, bytes, (outcome) => {
            if (outcome === 'timeout') this.#fail(key, unanswered(this.#options));
            else if (outcome === 'reset')
              this.#fail(key, new GatewayError('COAP_RESET', 'the server reset the request'));
            else if (outcome === 'stopped') this.#fail(key, closed());
            else this.#await(key, patience);
          })
        : undefined;
      this.#pending.set(key, { outgoing, resolve, reject, cancelTimer: undefined });
      if (!confirmable) {
        endpoint.transmit(server, bytes);
        this.#await(key, patience);
      }
    });
  }

  /** Gives the response so long. */
  #await(key: string, patience: number): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    pending.cancelTimer = this.#options.clock.after(patience, () =>
      this.#fail(key, unanswered(this.#options)),
    );
  }

  #onResponse(message: Message): boolean {
    const key = message.token.toString('latin1');
    const pending = this.#pending.get(key);
    if (pending !== undefined) {
      this.#pending.delete(key);
      pending.cancelTimer?.();
      // A separate response may overtake the acknowledgement (RFC 7252 §5.2.2).
      if (pending.outgoing !== undefined) this.#endpoint.reliable.cancel(pending.outgoing);
      pending.resolve(message);
      return true;
    }
    const receive = this.#watched.get(key);
    receive?.(message);
    return receive !== undefined;
  }

  #fail(key: string, error: GatewayError): void {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    pending.cancelTimer?.();
    if (pending.outgoing !== undefined) this.#endpoint.reliable.cancel(pending.outgoing);
    pending.reject(error);
  }

  async #enter(): Promise<void> {
    if (this.#running >= (this.#options.window ?? 1)) {
      if (this.#queue.size >= MAX_QUEUED) {
        throw new GatewayError('COAP_BUSY', `${MAX_QUEUED} requests already wait for ${this.#options.host}`);
      }
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    if (this.#server === undefined) throw closed();
    this.#running += 1;
  }

  #leave(): void {
    this.#running -= 1;
    this.#queue.shift()?.();
  }
}

function closed(): GatewayError {
  return new GatewayError('COAP_CLOSED', 'the CoAP client is closed');
}

function unanswered(options: CoapClientOptions): GatewayError {
  return new GatewayError('COAP_TIMEOUT', `no answer from coap://${options.host}:${options.port}`);
}

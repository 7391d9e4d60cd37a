import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { GatewayProblem } from './errors.ts';

export interface ApiOptions {
  /** `http:` or `https:`; a path in front of the gateway's own paths may follow. */
  readonly url: string;
  /** Bearer token. */
  readonly token?: string | undefined;
  readonly tls?: object | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface ApiCall {
  readonly method?: 'GET' | 'POST';
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The gateway may hold it for seconds: it gets a connection of its own, so that others need not wait. */
  readonly held?: boolean;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 64 * 1024 * 1024;
const MAX_SOCKETS = 16;
const MAX_HELD = 256;

/** The gateway's HTTP interface over few connections that stay open. */
export class HttpApi {
  readonly #base: URL;
  readonly #options: ApiOptions;
  readonly #agents = new Map<'short' | 'held', HttpAgent>();

  /** @throws TypeError when the address is none */
  constructor(options: ApiOptions) {
    this.#base = new URL(options.url);
    if (!/^https?:$/.test(this.#base.protocol))
      throw new TypeError(`${options.url} is no http or https address`);
    this.#options = options;
  }

  /** GET of a JSON document. @throws GatewayProblem */
  async get<T>(path: string, call: Omit<ApiCall, 'method' | 'body'> = {}): Promise<T> {
    const { status, body } = await this.call(path, call);
    const value = parse(body);
    if (status >= 200 && status < 300) return value as T;
    throw problem(status, value, path);
  }

  /** Any call; the answer may be of any status. @throws GatewayProblem when there is none */
  async call(path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    try {
      return await this.#once(path, call);
    } catch (error) {
      // The gateway closed a connection that was kept open, just when it was used again. Calls bear being made twice.
      if (error instanceof Stale) return await this.#once(path, call);
      throw error;
    }
  }

  #once(path: string, call: ApiCall): Promise<ApiAnswer> {
    const { method = 'GET', body, headers, timeoutMs = TIMEOUT_MS, signal, held = false } = call;
    const { token } = this.#options;
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base);
    return new Promise((resolve, reject) => {
      const fail = (code: string, message: string): void => reject(new GatewayProblem(code, message));
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(
        url,
        {
          method,
          agent: this.#agent(held),
          ...(signal ? { signal } : {}),
          headers: {
            accept: 'application/json',
            ...(token ? { authorization: `Bearer ${token}` } : {}),
            ...(body ? { 'content-length': body.length } : {}),
            ...headers,
          },
        },
        (response) => collect(response, resolve, fail),
      );
      const timer = setTimeout(() => {
        fail('TIMEOUT', `no answer from ${url.host} in ${timeoutMs} ms`);
        request.destroy();
      }, timeoutMs);
      request.on('close', () => clearTimeout(timer));
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && error.code === 'ECONNRESET') reject(new Stale());
        else fail('UNREACHABLE', `${url.host}: ${error.message}`);
      });
      request.end(body);
    });
  }

  #agent(held: boolean): HttpAgent {
    const kind = held ? 'held' : 'short';
    const known = this.#agents.get(kind);
    if (known) return known;
    const options = { keepAlive: true, maxSockets: held ? MAX_HELD : MAX_SOCKETS };
    const agent =
      this.#base.protocol === 'https:'
        ? new HttpsAgent({ ...this.#options.tls, ...options })
        : new HttpAgent(options);
    this.#agents.set(kind, agent);
    return agent;
  }

  /** Ends connections that are open. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

/** The connection that was used again had just ended. */
class Stale extends GatewayProblem {
  constructor() {
    super('UNREACHABLE', 'the connection ended');
  }
}

function collect(
  response: IncomingMessage,
  resolve: (answer: ApiAnswer) => void,
  fail: (code: string, message: string) => void,
): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  response.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes <= MAX_ANSWER) parts.push(part);
    else response.destroy(new Error(`the answer has more than ${MAX_ANSWER} bytes`));
  });
  response.on('error', (error) => fail('UNREACHABLE', error.message));
  response.on('end', () =>
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
  );
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The gateway says `{error: {code, message}}`, its inference interface `{error: "…", code: "…"}`. */
export function problem(status: number, value: unknown, path: string): GatewayProblem {
  const { error, code } = (value ?? {}) as { error?: unknown; code?: unknown };
  if (typeof error === 'string') return new GatewayProblem(String(code ?? `HTTP_${status}`), error, status);
  const inner = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof inner.message === 'string')
    return new GatewayProblem(String(inner.code ?? `HTTP_${status}`), inner.message, status);
  return new GatewayProblem(`HTTP_${status}`, `${path.split('?')[0]} was answered ${status}`, status);
}

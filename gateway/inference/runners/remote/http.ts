import { readFileSync, statSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { GatewayError } from '../../../errors.ts';
import type { ServerSettings } from '../settings.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Monotonic ms at which it is given up. */
  readonly until: number;
}

/** Longer answers are given up. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;
const IDLE_MS = 30_000;
/** Failures of a connection that was lying idle, before the server can have seen the call. */
const STALE: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);
/** Pauses before a call that failed is made again. */
const RETRY_MS = [50, 200, 500];

/**
 * Calls one server over connections that are used again. Calls of the protocol change nothing on the server, so one
 * that failed before its answer came is made again while there is time.
 */
export class HttpClient {
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #settings: ServerSettings | undefined;
  readonly #prefix: string;

  constructor(url: string, connections: number, settings: ServerSettings | undefined) {
    this.#base = new URL(url);
    this.#prefix = this.#base.pathname.replace(/\/+$/, '');
    this.#settings = settings;
    const common = {
      keepAlive: true,
      maxSockets: connections,
      maxFreeSockets: connections,
      timeout: IDLE_MS,
    };
    this.#agent =
      this.#base.protocol === 'https:'
        ? new TlsAgent({ ...common, ...(settings?.ca ? { ca: readFileSync(settings.ca) } : {}) })
        : new Agent(common);
  }

  /** Rejects with REMOTE_UNAVAILABLE when there is no answer in time. */
  async call(call: HttpCall): Promise<HttpAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#once(call);
        // 502, 503, 504: a proxy or a server that is starting; the call itself was not answered.
        if (answer.status < 502 || answer.status > 504) return answer;
        if (!(await this.#again(attempt, call.until))) return answer;
      } catch (error) {
        if (error instanceof GatewayError) throw error;
        const { code } = error as NodeJS.ErrnoException;
        const free = attempt === 0 && STALE.has(code);
        if (free || (await this.#again(attempt, call.until))) continue;
        throw this.#unavailable(code ?? (error as Error).message, error);
      }
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Waits before another attempt; false when there is none. */
  async #again(attempt: number, until: number): Promise<boolean> {
    const pause = RETRY_MS[attempt];
    if (pause === undefined || performance.now() + pause >= until) return false;
    await new Promise((resolve) => setTimeout(resolve, pause));
    return true;
  }

  #once({ method, path, headers, body, until }: HttpCall): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const left = Math.ceil(until - performance.now());
      if (left <= 0) {
        reject(this.#unavailable('no answer in time', undefined));
        return;
      }
      const send = this.#base.protocol === 'https:' ? httpsRequest : httpRequest;
      const outgoing = send({
        host: this.#base.hostname.replace(/^\[|\]$/g, ''),
        port: this.#base.port,
        agent: this.#agent,
        method,
        path: this.#prefix + path,
        headers: {
          accept: 'application/json, application/octet-stream',
          ...(body ? { 'content-length': body.length } : {}),
          ...headers,
          ...this.#credentials(),
        },
      });
      const timer = setTimeout(
        () => outgoing.destroy(this.#unavailable('no answer in time', undefined)),
        left,
      );
      const fail = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      outgoing.once('error', fail);
      outgoing.once('response', (incoming) => {
        const chunks: Uint8Array[] = [];
        let length = 0;
        incoming.on('data', (chunk: Uint8Array) => {
          length += chunk.length;
          if (length > MAX_ANSWER_BYTES)
            outgoing.destroy(new GatewayError('REMOTE_ANSWER', `${this.#base.origin} answers without end`));
          else chunks.push(chunk);
        });
        incoming.once('error', fail);
        incoming.once('end', () => {
          clearTimeout(timer);
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
      outgoing.end(body);
    });
  }

  /** Read for each call, so that a renewed token counts at once. */
  #credentials(): Record<string, string> {
    const file = this.#settings?.tokenFile;
    if (file === undefined) return {};
    let text: string;
    try {
      if ((statSync(file).mode & 0o077) !== 0)
        throw new GatewayError('KEYSTORE_MODE', `${file} can be read by others than its owner`);
      text = readFileSync(file, 'utf8').trim();
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError('FILE_MISSING', `${file}: ${(error as NodeJS.ErrnoException).code}`, {
        cause: error,
      });
    }
    return { authorization: `Bearer ${text}` };
  }

  #unavailable(reason: string, cause: unknown): GatewayError {
    return new GatewayError('REMOTE_UNAVAILABLE', `${this.#base.origin}: ${reason}`, { cause });
  }
}

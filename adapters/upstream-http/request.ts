import type { Agent, IncomingMessage } from 'node:http';

// An import of these loads all of Node's HTTP and WebSocket clients with them: 14 MiB. So does `fetch`.
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
  /** Beginning of the body in one line, for people. */
  readonly reason: string;
}

/** Most of an answer that is read, so that the connection can be used again, and that is told as the reason. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_REASON_BYTES = 512;

/** One connection to one place, kept open between requests. Redirects are answers like any other. */
export class Connection {
  readonly #url: URL;
  readonly #agent: Agent;

  constructor(url: URL) {
    this.#url = url;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
  }

  /** Rejects when there is no answer: the error of the network, or the reason of `signal`. */
  post(body: string, headers: Record<string, string>, signal: AbortSignal): Promise<Reply> {
    const { request } = this.#url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const sending = request(this.#url, {
        method: 'POST',
        agent: this.#agent,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        signal,
      });
      sending.once('response', (response) => {
        const { statusCode: status = 0, headers } = response;
        // The status decides; how its body ends changes nothing.
        beginningOf(response, (reason) =>
          resolve({ status, retryAfter: headers['retry-after'] ?? null, reason }),
        );
      });
      sending.on('error', (error) => reject(signal.aborted ? signal.reason : error));
      sending.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Reads the answer to its end, within reason, so that the connection is free again. */
function beginningOf(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    if (bytes < MAX_REASON_BYTES) chunks.push(chunk.subarray(0, MAX_REASON_BYTES));
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) response.destroy();
  });
  response.on('error', () => undefined);
  response.once('close', () => {
    const text = Buffer.concat(chunks).subarray(0, MAX_REASON_BYTES).toString('utf8');
    done(text.replaceAll(/\s+/g, ' ').trim());
  });
}

/** Why there was no answer: the code of the network, the whole message of anything else. */
export function reasonOf(error: unknown): string {
  const { code, message, path } = error as NodeJS.ErrnoException;
  return path === undefined && code !== undefined ? code : message;
}

import type { Agent } from 'node:http';

// An import of these loads all of Node's HTTP and WebSocket clients with them: 14 MiB.
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** An error the node answered with. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export type RpcResult = { readonly result: unknown } | { readonly error: RpcError };

class StaleConnection extends Error {}

/** Answers are small; one that is not is no node's. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

interface Node {
  readonly url: URL;
  readonly agent: Agent;
}

/**
 * JSON-RPC 2.0 over HTTP with one kept-alive connection. `batch` rejects when there is no usable answer (refused,
 * timed out, not JSON); errors of single calls are values. With several nodes, their URLs separated by commas, the one that
 * answered last is asked first and the next one where it does not answer: each must serve the same chain.
 */
export class JsonRpc {
  readonly #nodes: readonly Node[];
  readonly #timeoutMs: number;
  /** Which node is asked. */
  #at = 0;
  #id = 0;
  #closed = false;

  constructor(urls: string, timeoutMs = 10_000) {
    const options = { keepAlive: true, maxSockets: 2 };
    this.#nodes = urls.split(',').map((text) => {
      const url = new URL(text.trim());
      return { url, agent: url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options) };
    });
    this.#timeoutMs = timeoutMs;
  }

  /** Several calls in one request, answered in order. */
  async batch(calls: readonly RpcCall[]): Promise<RpcResult[]> {
    for (let left = this.#nodes.length; ; left--) {
      const node = this.#nodes[this.#at]!;
      try {
        return await this.#ask(node, calls);
      } catch (error) {
        if (left === 1 || this.#closed) throw error;
        // Another call may have moved on already.
        if (node === this.#nodes[this.#at]) this.#at = (this.#at + 1) % this.#nodes.length;
      }
    }
  }

  async #ask(node: Node, calls: readonly RpcCall[]): Promise<RpcResult[]> {
    const first = this.#id + 1;
    const body = JSON.stringify(calls.map((call) => ({ jsonrpc: '2.0', id: ++this.#id, ...call })));
    const answers: unknown = JSON.parse(await this.#send(node, body));
    if (!Array.isArray(answers))
      throw new Error(`not a batch answer: ${JSON.stringify(answers).slice(0, 200)}`);
    return calls.map((call, index) => {
      const answer: unknown = answers.find((a) => a?.id === first + index);
      if (typeof answer !== 'object' || answer === null) throw new Error(`no answer to ${call.method}`);
      if ('error' in answer && answer.error) return { error: answer.error as RpcError };
      return { result: 'result' in answer ? answer.result : undefined };
    });
  }

  /** One call; rejects also with the node's error. */
  async call(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const [answer] = await this.batch([{ method, params }]);
    if (answer && 'result' in answer) return answer.result;
    throw new Error(`${method}: ${answer?.error.message ?? 'no answer'}`);
  }

  /** Ends what is under way and refuses everything after. */
  close(): void {
    this.#closed = true;
    for (const { agent } of this.#nodes) agent.destroy();
  }

  /** A server may close a kept connection at the moment it is used again: that request is made anew, once. */
  async #send(node: Node, body: string): Promise<string> {
    try {
      return await this.#request(node, body);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return this.#request(node, body);
    }
  }

  #request({ url, agent }: Node, body: string): Promise<string> {
    if (this.#closed) return Promise.reject(new Error('the connection was closed'));
    const { request } = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const sending = request(url, {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      sending.once('error', (error: NodeJS.ErrnoException) => {
        const stale = sending.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(stale ? new StaleConnection(error.message, { cause: error }) : error);
      });
      sending.once('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too large'));
        });
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200)}`));
        });
      });
      sending.end(body);
    });
  }
}

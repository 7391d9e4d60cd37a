import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { readLocalApi } from '../../gateway/security/index.ts';
import { type GatewayProcess, runCommand } from '../support/gateway-process.ts';

/** Resident bytes of a process now; 0 when it is gone. */
export function rssOf(pid: number | null): number {
  if (pid === null) return 0;
  try {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) * 1024 : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: { readonly model_version?: string; readonly error?: string } & Record<string, unknown>;
}

/** Calls of a running gateway: `/v2` as anybody, `/api/v1` as its own command line. */
export class ModelClient {
  readonly #gateway: GatewayProcess;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
  }

  infer(model: string, inputs: readonly object[], deadlineMs?: number): Promise<Answer> {
    const parameters = deadlineMs === undefined ? {} : { parameters: { deadline_ms: deadlineMs } };
    return this.call('POST', `/v2/models/${model}/infer`, { inputs, ...parameters });
  }

  call(method: string, path: string, body?: object): Promise<Answer> {
    const token = readLocalApi(join(this.#gateway.folder, 'data'))?.token;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      ...(path.startsWith('/api') ? { authorization: `Bearer ${token}` } : {}),
    };
    return new Promise((resolve, reject) => {
      const options = {
        port: this.#gateway.ports.http,
        host: '127.0.0.1',
        method,
        path,
        headers,
        agent: this.#agent,
      };
      const out = request(options, (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          answer += chunk;
        });
        response.once('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer) as Answer['body'] });
          } catch {
            reject(new Error(`${method} ${path}: ${response.statusCode} ${answer.slice(0, 200)}`));
          }
        });
      });
      out.once('error', reject);
      out.end(text);
    });
  }

  /** Process ids of the model hosts that serve and try. */
  async hosts(): Promise<{ pid: number | null; rss: number }> {
    const { modelHost } = await this.#gateway.api<{ modelHost: { pid: number | null; rss: number } }>(
      '/api/v1/status',
    );
    return modelHost;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The figures of calls that several clients make one after another until `stop` is called. */
export class Load {
  calls = 0;
  readonly failures: string[] = [];
  readonly versions = new Map<string, number>();
  #going = true;
  readonly #clients: Promise<void>[];
  readonly #times: number[] = [];

  constructor(clients: number, next: (n: number) => Promise<Answer>) {
    this.#clients = Array.from({ length: clients }, async () => {
      while (this.#going) {
        const begin = performance.now();
        try {
          const { status, body } = await next(this.calls);
          if (status !== 200) this.failures.push(`${status} ${JSON.stringify(body.error).slice(0, 300)}`);
          const version = String(body.model_version);
          this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
        } catch (error) {
          this.failures.push(String(error));
        }
        this.calls++;
        this.#times.push(performance.now() - begin);
      }
    });
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#clients);
  }

  quantile(q: number): number {
    const sorted = this.#times.toSorted((a, b) => a - b);
    return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0) * 10) / 10;
  }
}

/** Runs a command of the gateway on its folder and answers its JSON. */
export async function command(
  folder: string,
  ...words: string[]
): Promise<{ code: number | null; json: unknown }> {
  const { code, stdout } = await runCommand([...words, '--json'], folder, { timeoutMs: 120_000 });
  return { code, json: stdout.trim() === '' ? null : JSON.parse(stdout) };
}

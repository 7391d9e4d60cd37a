import { createServer, type IncomingMessage, type Server } from 'node:http';

export interface ReceivedRecord {
  readonly id: string;
  readonly kind: string;
  readonly device: string;
  readonly body: Record<string, unknown>;
}

/**
 * What a careful upstream does: an HTTP endpoint that keeps each record once under a unique index on its id. Repeats
 * are counted; `down` makes it unreachable for new requests until `up`.
 */
export interface Receiver {
  readonly url: string;
  /** First arrivals, in order. */
  readonly records: ReceivedRecord[];
  readonly repeated: number;
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const records: ReceivedRecord[] = [];
  const ids = new Set<string>();
  let repeated = 0;
  let server: Server | null = null;
  let port = 0;

  const take = (body: Record<string, unknown>): void => {
    const id = body.id;
    if (typeof id !== 'string') throw new Error(`a record without id: ${JSON.stringify(body).slice(0, 200)}`);
    if (ids.has(id)) {
      repeated++;
      return;
    }
    ids.add(id);
    const kind = 'pipeline' in body ? 'result' : 'aggregate' in body ? 'aggregate' : 'reading';
    records.push({ id, kind, device: String(body.device), body });
  };

  const handle = async (request: IncomingMessage): Promise<number> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const lines = text.startsWith('[') ? (JSON.parse(text) as Record<string, unknown>[]) : ndjson(text);
    for (const line of lines) take(line);
    return 204;
  };

  const up = async (): Promise<void> => {
    if (server) return;
    const next = createServer((request, response) => {
      handle(request).then(
        (status) => response.writeHead(status).end(),
        (error: Error) => response.writeHead(500).end(error.message),
      );
    });
    await new Promise<void>((done) => next.listen(port, '127.0.0.1', done));
    port = (next.address() as { port: number }).port;
    server = next;
  };
  const down = async (): Promise<void> => {
    const old = server;
    server = null;
    if (!old) return;
    old.closeAllConnections();
    await new Promise((done) => old.close(done));
  };
  await up();
  return {
    get url() {
      return `http://127.0.0.1:${port}/records`;
    },
    records,
    get repeated() {
      return repeated;
    },
    up,
    down,
    close: down,
  };
}

function ndjson(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.length > 0)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

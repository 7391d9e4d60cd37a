import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { asGatewayError } from '../../gateway/errors.ts';
import type { LoadedModel } from '../../gateway/ports/model-runner.ts';
import { parseBody, readRequest } from '../../gateway/serving/protocol/request.ts';
import { encodeResponse } from '../../gateway/serving/protocol/response.ts';

export interface OipServer {
  readonly url: string;
  /** Connections taken so far. */
  readonly connections: number;
  /** `METHOD path` of each request, and its authorization. */
  readonly requests: {
    readonly line: string;
    readonly token: string | undefined;
    readonly type: string | undefined;
  }[];
  /** Called first for each request; true when it has dealt with it. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  close(): Promise<void>;
}

/** An Open Inference Protocol server around one model, `m`. */
export async function serveModel(
  model: LoadedModel,
  options: { binary?: boolean; port?: number } = {},
): Promise<OipServer> {
  const { binary = true, port = 0 } = options;
  let connections = 0;
  const served: { -readonly [K in keyof OipServer]: OipServer[K] } = {
    url: '',
    connections: 0,
    requests: [],
    intercept: () => false,
    close: () => closed(server),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const { method, url, headers } = request;
    served.requests.push({
      line: `${method} ${url}`,
      token: headers.authorization,
      type: headers['content-type'],
    });
    if (served.intercept(request, response)) return;
    const reply = (status: number, body: string | Uint8Array, more: Record<string, string> = {}): void => {
      response.writeHead(status, more).end(body);
    };
    if (url === '/v2')
      return reply(200, JSON.stringify({ name: 's', extensions: binary ? ['binary_tensor_data'] : [] }));
    const { inputs, outputs } = model;
    if (url === '/v2/models/m')
      return reply(200, JSON.stringify({ name: 'm', versions: ['1'], inputs, outputs }));
    if (url !== '/v2/models/m/infer') return reply(404, '{"error":"no such model"}');
    try {
      const length = headers['inference-header-content-length'];
      const parsed = readRequest(
        parseBody(Buffer.concat(chunks), typeof length === 'string' ? Number(length) : undefined),
      );
      const made = await model.run({ ...parsed.inputs });
      const { body, headerBytes } = encodeResponse(parsed, {
        id: '1',
        model: { name: 'm', version: '1', sha256: '' },
        outputs: made,
        receipt: { id: '', account: '' },
      });
      reply(
        200,
        body,
        headerBytes === undefined ? {} : { 'inference-header-content-length': String(headerBytes) },
      );
    } catch (error) {
      reply(400, JSON.stringify({ error: asGatewayError(error).message }));
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  server.on('connection', () => {
    served.connections = ++connections;
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => closed(server));
  return served;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => void server.close(() => resolve()));
}

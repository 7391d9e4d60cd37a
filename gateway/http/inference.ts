import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Log } from '../ports/log.ts';
import type { InferenceReply, Serving, ServingCatalog } from '../ports/serving.ts';
import { callerOf, foreignOrigin, type HttpAccess } from './auth.ts';
import { errorReply } from './errors.ts';

export interface InferenceRoutesParts {
  readonly serving: Serving & { readonly catalog: ServingCatalog };
  readonly access: HttpAccess;
  readonly maxBodyBytes: number;
  /** How long an answer may take; the connection is kept that long. */
  readonly maxDeadline: number;
  readonly log: Log;
}

/** Header that tells where the JSON of a body ends (binary tensor data extension). */
const HEADER_LENGTH = 'inference-header-content-length';

const INFLATE: Readonly<Record<string, typeof gunzip>> = { gzip: gunzip, deflate: inflate };

type Params = Readonly<Record<string, string>>;

/** `/v2…`: the Open Inference Protocol with Triton's extensions. Errors are `{"error": "…", "code": "…"}`. */
export async function inferenceRoutes(app: FastifyInstance, parts: InferenceRoutesParts): Promise<void> {
  const { access, log, maxBodyBytes } = parts;
  const { catalog } = parts.serving;
  const callers = new WeakMap<FastifyRequest, string>();

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_request, body, done) =>
    done(null, body),
  );
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config && (request.routeOptions.config as { open?: boolean }).open) return;
    const { name } = await callerOf(request, access, false);
    // A page of another site may not use the models of whoever looks at it.
    if (name === 'anonymous' && foreignOrigin(request.headers))
      throw new GatewayError('FORBIDDEN', 'not for pages of other sites');
    callers.set(request, name);
  });
  app.setErrorHandler((error, request, reply) => {
    const { code, message, status, internal } = inferenceError(error);
    if (internal) log.error({ err: error, url: request.url }, 'http: a request failed, answering 500');
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(status).send({ error: message, code });
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: `there is no ${request.method} ${request.url.slice(0, 200)}`, code: 'NOT_FOUND' }),
  );

  const get = (url: string, run: (params: Params, reply: FastifyReply) => unknown, open = false): void => {
    app.get(url, { config: { open } }, async (request, reply) => run(request.params as Params, reply));
  };
  const perModel = (end: string, run: (params: Params, reply: FastifyReply) => unknown): void => {
    get(`/models/:model${end}`, run);
    get(`/models/:model/versions/:version${end}`, run);
  };
  get('', () => catalog.server());
  get('/health/live', () => ({ live: true }), true);
  get('/health/ready', (_params, reply) => state(reply, catalog.ready()), true);
  get('/models', () => catalog.models());
  get('/models/stats', () => catalog.statistics());
  perModel('', ({ model, version }) => catalog.model(model!, version));
  perModel('/ready', ({ model, version }, reply) => {
    const ready = catalog.modelReady(model!, version);
    return { name: model, ...state(reply, ready) };
  });
  perModel('/config', ({ model, version }) => catalog.config(model!, version));
  perModel('/stats', ({ model, version }) => catalog.statistics(model, version));
  app.post('/repository/index', async ({ body }) => catalog.index(onlyReady(body)));
  for (const url of ['/models/:model/infer', '/models/:model/versions/:version/infer'])
    app.post(url, (request, reply) => infer(parts, request, callers.get(request) ?? 'anonymous', reply));
}

const state = (reply: FastifyReply, ready: boolean): { ready: boolean } => {
  if (!ready) reply.code(503);
  return { ready };
};

/** `{"ready": true}` asks for models that serve only. */
function onlyReady(body: unknown): boolean {
  const text = Buffer.isBuffer(body) ? body.toString().trim() : '';
  if (text === '') return false;
  try {
    return (JSON.parse(text) as { ready?: unknown } | null)?.ready === true;
  } catch (cause) {
    throw new GatewayError('HTTP_REQUEST', 'the body is no JSON', { cause });
  }
}

async function infer(
  { serving, maxBodyBytes, maxDeadline }: InferenceRoutesParts,
  request: FastifyRequest,
  caller: string,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model, version } = request.params as Params;
  const given = request.headers[HEADER_LENGTH];
  const body = await plainBody(request, maxBodyBytes);
  request.raw.socket.setTimeout(maxDeadline + 10_000);
  const answer = await new Promise<InferenceReply>((resolve) =>
    serving.infer(
      {
        model: model!,
        ...(version === undefined ? {} : { version }),
        body,
        ...(given === undefined ? {} : { headerBytes: Number(given) }),
        account: `consumer/${caller}`,
        durable: false,
      },
      resolve,
    ),
  );
  reply.code(answer.status);
  const { id, code, message, headerBytes } = answer;
  if (code !== undefined) {
    if (answer.status === 429 || answer.status === 503) reply.header('retry-after', '1');
    return reply.send({ error: message, code, ...(id === undefined ? {} : { id }) });
  }
  if (headerBytes !== undefined) reply.header(HEADER_LENGTH, headerBytes);
  reply.type(headerBytes === undefined ? 'application/json' : 'application/octet-stream');
  return reply.send(Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.byteLength));
}

/** The body without its compression, bounded. */
async function plainBody({ body, headers }: FastifyRequest, maxBytes: number): Promise<Buffer> {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const encoding = headers['content-encoding']?.toLowerCase();
  if (encoding === undefined || encoding === 'identity') return bytes;
  const decompress = Object.hasOwn(INFLATE, encoding) ? INFLATE[encoding] : undefined;
  if (!decompress) throw new GatewayError('HTTP_REQUEST', 'Content-Encoding must be gzip or deflate');
  try {
    return (await promisify<Buffer, object, Buffer>(decompress)(bytes, {
      maxOutputLength: maxBytes,
    })) as Buffer;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new GatewayError('REQUEST_TOO_LARGE', `the body has more than ${maxBytes} bytes`, { cause });
    throw new GatewayError('HTTP_REQUEST', `the body is no ${encoding}`, { cause });
  }
}

function inferenceError(error: unknown): {
  code: string;
  message: string;
  status: number;
  internal: boolean;
} {
  const { status, body, internal } = errorReply(error);
  const { code, message } = (body as { error: { code: string; message: string } }).error;
  if (asGatewayError(error).code === 'REQUEST_TOO_LARGE' || status === 413)
    return { code: 'REQUEST_TOO_LARGE', message, status: 413, internal };
  return { code, message, status, internal };
}

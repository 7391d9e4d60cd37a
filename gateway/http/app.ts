import { type FastifyInstance, fastify } from 'fastify';
import { GatewayError } from '../errors.ts';
import type { Log } from '../ports/log.ts';
import { errorReply } from './errors.ts';

/** Requests of the API are small; routes for readings and inference have limits of their own. */
const BODY_LIMIT = 64 * 1024;
const HEADER_LIMIT = 16 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 20_000;

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

export interface AppParts {
  readonly log: Log;
  readonly maxConnections: number;
  /** Whether new requests are turned away. */
  stopping(): boolean;
}

/** fastify with the limits, headers and error answers that every page of this gateway has. */
export function createApp({ log, maxConnections, stopping }: AppParts): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS + KEEP_ALIVE_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    http: { maxHeaderSize: HEADER_LIMIT, headersTimeout: REQUEST_TIMEOUT_MS },
    // Routes check what they get with zod, so that fastify need not load its own compilers.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  });
  app.removeContentTypeParser('text/plain');
  app.server.maxConnections = maxConnections;
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS);
    if (stopping()) throw new GatewayError('STOPPING', 'the gateway is stopping');
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, body, internal } = errorReply(error);
    if (internal) log.error({ err: error, url: request.url }, 'http: a request failed, answering 500');
    if (status === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer');
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: new GatewayError('NOT_FOUND', `there is no ${request.method} ${request.url.slice(0, 200)}`),
    }),
  );
  return app;
}

/** @throws GatewayError HTTP_LISTEN */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new GatewayError('HTTP_LISTEN', `cannot listen on ${host}:${port} (${code ?? String(error)})`, {
      received: `${host}:${port}`,
      cause: error,
    });
  }
}

/** `http://[::1]:8080` */
export const urlOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

function noSchemas(): never {
  throw new GatewayError('INTERNAL', 'http: a route has a schema of fastify; it should have one of zod');
}

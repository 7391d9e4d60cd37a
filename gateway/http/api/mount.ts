import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors.ts';
import { type Caller, callerOf, type HttpAccess, requireOwnPage } from '../auth.ts';
import type { ApiRoute, Call } from './route.ts';

/**
 * Serves routes with fastify: who may call is asked before a body is read; queries and bodies are checked against
 * their schemas. `needs` of other routes' config counts too.
 */
export function mountApi(app: FastifyInstance, routes: readonly ApiRoute[], access: HttpAccess): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.addHook('onRequest', async (request) => {
    const { needs } = request.routeOptions.config as { needs?: ApiRoute['needs'] };
    if (needs === 'read' || needs === 'change')
      callers.set(request, await callerOf(request, access, needs === 'change'));
    // Nor may a page of another site log its visitors in or out.
    else if (needs === 'open' && request.method !== 'GET' && request.headers.origin !== undefined)
      requireOwnPage(request.headers);
  });
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      config: { needs: route.needs },
      ...(route.maxBodyBytes === undefined ? {} : { bodyLimit: route.maxBodyBytes }),
      handler: async (request, reply) => {
        reply.code(route.status ?? 200);
        if (route.answerType !== undefined) reply.type(route.answerType);
        const answer = await route.run(callOf(route, request, reply, callers.get(request)));
        return answer === undefined ? reply.send() : answer;
      },
    });
  }
}

/** Checks query and body of a request against the schemas of its route. */
function callOf(
  route: ApiRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller | undefined,
): Call {
  return {
    query: checked(route.query, request.query, 'query'),
    body: checked(route.body, request.body, 'body'),
    params: request.params as Call['params'],
    peer: request.ip,
    headers: request.headers,
    caller,
    // A proxy in front may have ended TLS; the browser still names the scheme of the page.
    secure: request.protocol === 'https' || request.headers.origin?.startsWith('https://') === true,
    get signal() {
      return goneSignal(reply);
    },
    setCookie: (value) => reply.header('set-cookie', value),
    setHeader: (name, value) => reply.header(name, value),
  };
}

function checked(schema: ApiRoute['query'], value: unknown, where: string): unknown {
  if (!schema) return {};
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new GatewayError('HTTP_REQUEST', `${[where, ...issue.path].join('.')}: ${issue.message}`);
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Caller, callerOf, foreignOrigin, type HttpAccess } from './auth.ts';

/** The way to the flows host. Both throw GatewayError FLOWS_DOWN while it cannot be reached. */
export interface FlowsDoor {
  forward(caller: Caller, request: IncomingMessage, response: ServerResponse): void;
  upgrade(caller: Caller, request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What flows answer themselves; everything else below `/flows/` is the editor. */
const ENDPOINTS = '/flows/http/';
/** How often it is asked whether those with an open editor may still have it. */
const RECHECK_MS = 15_000;
const MAX_EDITORS = 64;

const STYLE =
  'body{font:1.1rem system-ui;display:grid;place-items:center;height:90vh;color-scheme:light dark}';
const STARTING = {
  csp: `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'`,
  html: `<!doctype html><html lang="en"><meta charset="utf-8"><title>Flows</title><style>${STYLE}</style><p role="status">The flow editor is starting …</p></html>\n`,
};

/**
 * `/flows/…`: the editor for admins; below `/flows/http/` what flows answer, which a viewer may read. Who it is goes along,
 * logins and tokens do not.
 */
export async function flowsRoutes(
  app: FastifyInstance,
  { flows, access }: { flows: FlowsDoor; access: HttpAccess },
): Promise<void> {
  // Bodies go on as they come.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setErrorHandler((error, request, reply) => {
    const page = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
    if (page && error instanceof GatewayError && error.code === 'UNAUTHORIZED')
      return reply.redirect('/#/login?back=flows', 303);
    // They are there in a few seconds; the page looks again by itself.
    if (page && error instanceof GatewayError && error.code === 'FLOWS_DOWN')
      return reply
        .code(503)
        .headers({ refresh: '2', 'retry-after': '2', 'content-security-policy': STARTING.csp })
        .type('text/html; charset=utf-8')
        .send(STARTING.html);
    throw error;
  });
  app.all('/*', async (request, reply) => {
    const path = plainPath(request.raw);
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const caller = await callerOf(request, access, !(reads && path.startsWith(ENDPOINTS)));
    if (caller.name === 'anonymous' && fromElsewhere(request.headers))
      throw new GatewayError('CROSS_SITE', 'flows are not for pages of other sites');
    flows.forward(caller, request.raw, reply.raw);
    reply.hijack();
  });
}

/** Whether a page of another site made this request; what it may read is its own affair, what a flow does with it is not. */
const fromElsewhere = (headers: IncomingHttpHeaders): boolean =>
  foreignOrigin(headers) || ['cross-site', 'same-site'].includes(String(headers['sec-fetch-site']));

/** WebSockets below `/flows/`, the editor's and those of flows: for admins, as long as they are. */
export class FlowsUpgrades {
  readonly #flows: FlowsDoor;
  readonly #access: HttpAccess;
  readonly #clock: Clock;
  #open = 0;

  constructor(flows: FlowsDoor, access: HttpAccess, clock: Clock) {
    this.#flows = flows;
    this.#access = access;
    this.#clock = clock;
  }

  /** @throws GatewayError when the caller may not, or there is no host */
  async take(request: IncomingMessage, socket: Socket, head: Buffer, peer: string): Promise<void> {
    plainPath(request);
    // As careful as with a change: a page of another site can open a WebSocket with the cookie of its visitor.
    const ask = (): Promise<Caller> =>
      callerOf({ headers: request.headers, method: 'POST', ip: peer }, this.#access, true);
    const caller = await ask();
    if (this.#open >= MAX_EDITORS) throw new GatewayError('FLOWS_DOWN', 'too many editors are open');
    // The editor may be silent for longer than a request may.
    socket.setTimeout(0);
    this.#flows.upgrade(caller, request, socket, head);
    this.#open++;
    let cancel = (): void => undefined;
    const look = (): void => {
      cancel = this.#clock.after(RECHECK_MS, () => {
        ask().then(look, () => socket.destroy());
      });
    };
    look();
    socket.once('close', () => {
      this.#open--;
      cancel();
    });
  }
}

/** The path of a request. @throws GatewayError HTTP_REQUEST when it climbs */
function plainPath({ url = '' }: IncomingMessage): string {
  const [path = ''] = url.split('?', 1);
  if (/(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|%2f|%5c|$)/i.test(path))
    throw new GatewayError('HTTP_REQUEST', 'the path climbs out of its folder');
  return path;
}

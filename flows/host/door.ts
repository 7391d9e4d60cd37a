import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { createServer } from 'node:http';
import type { App, User } from './node-red.ts';
import { CALLER_HEADER, ENDPOINT_ROOT } from './settings.ts';

/** What each role of the gateway may do in the editor. */
const PERMISSIONS: Readonly<Record<string, string>> = { admin: '*', viewer: 'read' };

/**
 * The user that the gateway names: `<secret> <role> <name, percent-encoded>`; null when the header is not the gateway's. The
 * secret is new at every start, so nothing but the gateway gets in, also from inside this machine.
 */
export function callerOf(header: string | undefined, secret: string): User | null {
  const [given = '', role = '', name = ''] = (header ?? '').split(' ');
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  if (a.length !== b.length || !timingSafeEqual(a, b)) return null;
  const permissions = PERMISSIONS[role];
  return permissions === undefined ? null : { username: decodeURIComponent(name), permissions };
}

/** A server that serves the gateway and nobody else: editor, endpoints of flows and the editor's WebSocket. */
export function createDoor(app: App, secret: string): Server {
  const known = (request: IncomingMessage): boolean => {
    const header = request.headers[CALLER_HEADER];
    return typeof header === 'string' && callerOf(header, secret) !== null;
  };
  const server = createServer((request, response) => {
    if (!known(request)) {
      response.writeHead(401, { connection: 'close' }).end();
      return;
    }
    // What a flow sees of a request must not let it speak for the gateway.
    if (request.url?.startsWith(`${ENDPOINT_ROOT}/`)) delete request.headers[CALLER_HEADER];
    app(request, response);
  });
  // Before Node-RED's own listeners, which are added when it starts.
  server.on('upgrade', (request, socket) => {
    if (!known(request)) socket.destroy();
  });
  return server;
}

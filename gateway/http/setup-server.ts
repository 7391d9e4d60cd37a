import type { AddressInfo } from 'node:net';
import type { Log } from '../ports/log.ts';
import { mountApi } from './api/mount.ts';
import { openApi } from './api/openapi.ts';
import { type SetupAdmin, setupRoutes } from './api/setup.ts';
import { createApp, listen, urlOf } from './app.ts';
import type { HttpAccess } from './auth.ts';
import { sessionRoutes } from './session.ts';
import { serveWeb } from './web/serve.ts';

/** A person or two with a browser. */
const MAX_CONNECTIONS = 100;

export interface SetupServerParts {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  readonly setup: SetupAdmin;
  readonly access: HttpAccess;
  readonly log: Log;
}

export interface SetupServer {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Where it listens, once started. */
  readonly url: string;
}

/** What is served in place of the gateway while there is no valid configuration: the pages, the first run, and login. */
export function createSetupServer(parts: SetupServerParts): SetupServer {
  const { setup, access, host } = parts;
  let stopping = false;
  let url = '';
  const app = createApp({
    log: parts.log.child('setup'),
    maxConnections: MAX_CONNECTIONS,
    stopping: () => stopping,
  });
  const routes = [...setupRoutes(setup), ...sessionRoutes(access)];
  mountApi(app, routes, access);
  app.get('/api/v1/openapi.json', () => openApi(routes, parts.version));
  // The process is well; it is its configuration that is not.
  app.get('/health/live', () => ({ live: true, ready: false, reasons: ['the gateway is not set up'] }));
  app.get('/health/ready', (_request, reply) =>
    reply.code(503).send({ live: true, ready: false, reasons: ['the gateway is not set up'] }),
  );
  serveWeb(app);
  return {
    get url() {
      return url;
    },
    async start() {
      await listen(app, host, parts.port);
      url = urlOf(host, (app.server.address() as AddressInfo).port);
    },
    async stop() {
      stopping = true;
      await app.close();
    },
  };
}

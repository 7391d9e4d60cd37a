import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Serving, ServingCatalog } from '../ports/serving.ts';
import type { AlarmAdmin } from './api/alarms.ts';
import type { DeviceAdmin } from './api/devices.ts';
import { EventHub } from './api/events/hub.ts';
import { apiRoutes } from './api/index.ts';
import type { ModelAdmin } from './api/models.ts';
import { mountApi } from './api/mount.ts';
import { openApi } from './api/openapi.ts';
import type { ApiRoute } from './api/route.ts';
import { createApp, listen, urlOf } from './app.ts';
import { foreignOrigin, type HttpAccess } from './auth.ts';
import { errorReply } from './errors.ts';
import { type FlowsDoor, FlowsUpgrades, flowsRoutes } from './flows.ts';
import { inferenceRoutes } from './inference.ts';
import type { Metrics } from './metrics.ts';
import { type ReadingRoutesParts, readingRoutes } from './readings.ts';
import type { Views } from './views.ts';
import { serveWeb } from './web/serve.ts';

/** Takes over a socket that asks for WebSocket below `/mqtt`. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What this server needs of `gateway/security`. */
export type ServerAccess = HttpAccess & DeviceAdmin;

export interface HttpServerParts {
  readonly config: Pick<Config, 'listen' | 'limits' | 'serving'>;
  readonly views: Views;
  readonly access: ServerAccess;
  /** Absent: models are shown and not changed. */
  readonly models?: ModelAdmin;
  /** Absent: alarms are shown and not acknowledged. */
  readonly alarmAdmin?: AlarmAdmin;
  /** Operations of other parts, such as settings. */
  readonly routes?: readonly ApiRoute[];
  /** What answers `/v2…`; absent: there is no such thing. */
  readonly serving?: Serving & { readonly catalog: ServingCatalog };
  /** Absent: there is no flow editor. */
  readonly flows?: FlowsDoor;
  /** Absent: WebSocket requests are refused. */
  readonly upgrade?: UpgradeHandler | undefined;
  /** Absent: no readings are taken over HTTP. */
  readonly readings?: Pick<ReadingRoutesParts, 'intake' | 'access'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HttpServer {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Port it listens on; 0 before `start`. */
  readonly port: number;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** What is served. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  /** Answers a request without a socket, for tests. */
  inject: FastifyInstance['inject'];
}

/** Health, metrics, API and dashboard on one port. Constructed pure; `stop` undoes all that `start` did. */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  const { access, config, views } = parts;
  const { host } = config.listen;
  const log = parts.log.child('http');
  let metrics: Promise<Metrics> | undefined;
  const events = new EventHub({ source: views.live, clock: parts.clock, log });
  const routes = apiRoutes({
    views,
    access,
    devices: access,
    models: parts.models,
    alarms: parts.alarmAdmin,
    events,
    more: parts.routes,
  });
  const app = createApp({
    log,
    maxConnections: config.limits.maxConnections,
    stopping: () => stopping,
  });
  const served: { method: string; path: string }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) served.push({ method: one, path: url });
  });
  let addresses: string[] = [];
  let port = 0;
  let stopping = false;

  mountApi(app, routes, access);
  app.get('/health/ready', async (_request, reply) => {
    const health = views.health();
    return reply.code(health.ready ? 200 : 503).send(health);
  });
  app.get('/api/v1/openapi.json', () => openApi(routes, views.status().version));
  app.get('/metrics', { config: { needs: 'read' } }, async (_request, reply) => {
    metrics ??= startMetrics();
    const running = await metrics;
    return reply.type(running.contentType).send(await running.text(views.status(), views.modelLoads()));
  });
  const { serving } = parts;
  if (serving) {
    const { maxBodyBytes, maxDeadline } = config.serving;
    app.register((v2) => inferenceRoutes(v2, { serving, access, log, maxBodyBytes, maxDeadline }), {
      prefix: '/v2',
    });
  }
  const { flows } = parts;
  const editors = flows && new FlowsUpgrades(flows, access, parts.clock);
  if (flows) app.register((f) => flowsRoutes(f, { flows, access }), { prefix: '/flows' });
  const { readings } = parts;
  if (readings)
    app.register((s) => readingRoutes(s, { ...readings, maxBodyBytes: config.limits.maxPacketBytes }), {
      prefix: '/s',
    });
  serveWeb(app);

  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', (error) =>
      log.debug({ err: error }, 'http: a connection broke while it was upgraded'),
    );
    const path = (request.url ?? '').split('?', 1)[0];
    if (editors && !stopping && path?.startsWith('/flows/'))
      editors
        .take(request, socket, head, socket.remoteAddress ?? '')
        .catch((error) => refuse(socket, `${errorReply(error).status} Refused`));
    else if (stopping || path !== '/mqtt' || !parts.upgrade) refuse(socket, '404 Not Found');
    else if (foreignOrigin(request.headers) && access.openTo(socket.remoteAddress ?? ''))
      refuse(socket, '403 Forbidden');
    else parts.upgrade(request, socket, head);
  });

  return {
    name: 'http',
    get addresses() {
      return addresses;
    },
    get port() {
      return port;
    },
    routes: served,
    inject: app.inject.bind(app) as FastifyInstance['inject'],
    async start(signal) {
      signal.throwIfAborted();
      await listen(app, host, config.listen.http.port);
      port = (app.server.address() as AddressInfo).port;
      addresses = [urlOf(host, port)];
    },
    async stop() {
      if (stopping) return;
      stopping = true;
      events.stop();
      await metrics?.then((started) => started.stop());
      await app.close();
    },
  };
}

/** Loaded when first asked for: a gateway that nobody watches saves 3 MiB. */
async function startMetrics(): Promise<Metrics> {
  const { Metrics } = await import('./metrics.ts');
  const metrics = new Metrics();
  metrics.start();
  return metrics;
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

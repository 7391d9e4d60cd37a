import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Caller, HttpAccess } from './auth.ts';
import { type ModelAdmin, modelRoutes } from './model-routes.ts';
import type { RateHistory } from './rates.ts';
import { sessionRoutes } from './session.ts';
import {
  auditView,
  deviceView,
  healthView,
  modelView,
  plotView,
  receiptView,
  rejectedView,
  resultView,
  statusView,
  type Views,
} from './views.ts';

/** Changes to identities, made by the running gateway so that they hold at once. */
export interface DeviceAdmin {
  /** Answers the secret, which is kept nowhere. */
  addDevice(name: string, role: 'device' | 'integrator'): string;
  /** Ends its connections too. */
  revokeDevice(name: string): void;
}

export interface RouteParts {
  readonly views: Views;
  readonly access: HttpAccess;
  readonly devices: DeviceAdmin;
  /** Absent: models are shown and not changed. */
  readonly models?: ModelAdmin | undefined;
  readonly rates: RateHistory;
}

/** What a route gets, already checked against its schemas. */
export interface Call {
  readonly query: Readonly<Record<string, unknown>>;
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly peer: string;
  readonly headers: IncomingHttpHeaders;
  /** Who asks; undefined only where the route is open. */
  readonly caller: Caller | undefined;
  /** Whether the browser came over TLS. */
  readonly secure: boolean;
  setCookie(value: string): void;
}

/** One operation: the same description serves requests and writes the OpenAPI document. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  /** `open`: anybody; `read`: somebody known (or loopback, see auth.ts); `change`: an admin. */
  readonly needs: 'open' | 'read' | 'change';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly answer: z.ZodType;
  readonly status?: number;
  run(call: Call): unknown;
}

const limit = z.coerce.number().int().min(1).max(1000).default(100).describe('At most this many');
const id = z.string().max(128).optional();

const ratesView = z.object({
  streams: z.record(z.string(), z.array(z.number())),
  pipelines: z.record(z.string(), z.array(z.number())),
});
const deviceBody = z.strictObject({
  name: z.string().max(128),
  role: z.enum(['device', 'integrator']).default('device'),
});

/** Every operation below `/api/v1`, and the health checks. */
export function apiRoutes({ views, access, devices, models, rates }: RouteParts): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/status',
      summary: 'What runs, with rates of the last two minutes',
      needs: 'read',
      answer: statusView.extend({ rates: ratesView }),
      run: () => ({ ...views.status(), rates: rates.rates() }),
    },
    {
      method: 'GET',
      path: '/api/v1/streams',
      summary: 'Streams with their counts',
      needs: 'read',
      answer: z.array(statusView.shape.streams.element),
      run: () => views.status().streams,
    },
    {
      method: 'GET',
      path: '/api/v1/devices',
      summary: 'Devices that have an identity or have sent readings',
      needs: 'read',
      query: z.strictObject({ limit, stream: id }),
      answer: z.array(deviceView),
      run: ({ query }) => views.devices(query as { limit: number; stream?: string }),
    },
    {
      method: 'POST',
      path: '/api/v1/devices',
      summary: 'Add a device; its secret is shown once',
      needs: 'change',
      body: deviceBody,
      answer: z.object({ name: z.string(), role: z.string(), secret: z.string() }),
      status: 201,
      run({ body }) {
        const { name, role } = body as z.output<typeof deviceBody>;
        return { name, role, secret: devices.addDevice(name, role) };
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/devices/:name',
      summary: 'Revoke a device; its connections end',
      needs: 'change',
      answer: z.object({ name: z.string(), revoked: z.literal(true) }),
      run({ params }) {
        devices.revokeDevice(params.name!);
        return { name: params.name, revoked: true };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/models',
      summary: 'Installed models and how they do',
      needs: 'read',
      answer: z.array(modelView),
      run: () => views.models(),
    },
    ...(models ? modelRoutes(models, views) : []),
    {
      method: 'GET',
      path: '/api/v1/results',
      summary: 'Newest results first',
      needs: 'read',
      query: z.strictObject({ limit, pipeline: id, device: id }),
      answer: z.array(resultView),
      run: ({ query }) => views.results(query as { limit: number; pipeline?: string; device?: string }),
    },
    {
      method: 'GET',
      path: '/api/v1/plots',
      summary: 'Newest values of streams and pipelines as short series to draw',
      needs: 'read',
      answer: z.array(plotView),
      run: () => views.plots(),
    },
    {
      method: 'GET',
      path: '/api/v1/receipts',
      summary: 'Newest receipts first',
      needs: 'read',
      query: z.strictObject({ limit, account: id }),
      answer: z.array(receiptView),
      run: ({ query }) => views.receipts(query as { limit: number; account?: string }),
    },
    {
      method: 'GET',
      path: '/api/v1/rejected',
      summary: 'Payloads that could not be decoded, newest first, with the reason',
      needs: 'read',
      query: z.strictObject({ limit, stream: id }),
      answer: z.array(rejectedView),
      run: ({ query }) => views.rejected(query as { limit: number; stream?: string }),
    },
    {
      method: 'GET',
      path: '/api/v1/audit',
      summary: 'The accounting identity of every stream: accepted = forwarded + pending + expired + rejected',
      needs: 'read',
      answer: z.array(auditView),
      run: () => views.audit(),
    },
    ...sessionRoutes(access),
    {
      method: 'GET',
      path: '/health/live',
      summary: 'Whether the process answers',
      needs: 'open',
      answer: healthView,
      run: () => views.health(),
    },
  ];
}

import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import { statusOf } from '../errors.ts';
import { type DocumentedRoute, INFERENCE_API, INFERENCE_FAILURE } from '../inference-api.ts';
import { OTHER_ROUTES } from './other-routes.ts';
import type { ApiRoute } from './route.ts';
import { errorBody } from './schemas/common.ts';

/** OpenAPI 3.1 document of the routes, from the schemas that check them. */
export function openApi(routes: readonly ApiRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  const add = (path: string, method: string, operation: object): void => {
    paths[path] = { ...paths[path], [method]: operation };
  };
  for (const route of routes)
    add(route.path.replaceAll(/:(\w+)/g, '{$1}'), route.method.toLowerCase(), operation(route));
  for (const route of OTHER_ROUTES) add(route.path, route.method, documented(route, 'Error'));
  for (const route of INFERENCE_API) add(route.path, route.method, documented(route, 'InferenceError'));
  const tags = new Set(Object.values(paths).flatMap((methods) => Object.values(methods).flatMap(tagsOf)));
  return {
    openapi: '3.1.0',
    info: {
      title: 'AIMX edge gateway',
      version,
      description:
        'Times are milliseconds since the Unix epoch. Errors carry a code, what was expected and the fix. ' +
        'Reading needs a login or a bearer token (or loopback, where `auth.anonymous` says so), changing the role ' +
        'admin. Changes with the cookie of a login need an Origin of this host.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { session: [] }],
    tags: [...tags].sort().map((name) => ({ name })),
    paths,
    components: {
      schemas: {
        Error: schemaOf(errorBody, 'output'),
        InferenceError: schemaOf(INFERENCE_FAILURE, 'output'),
      },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API token (`aimx-gateway tokens add`) or the token of POST /api/v1/login',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'aimx_session',
          description: 'Set by POST /api/v1/session',
        },
        device: {
          type: 'http',
          scheme: 'basic',
          description: 'Name and secret of a device: only for sending its own readings',
        },
      },
    },
  };
}

const tagsOf = (operation: object): string[] => ('tags' in operation ? (operation.tags as string[]) : []);

function operation(route: ApiRoute): object {
  const { answerType = 'application/json' } = route;
  const status = String(route.status ?? 200);
  return {
    operationId: `${route.method.toLowerCase()}${nameOf(route.path)}`,
    summary: route.summary,
    tags: [route.tag ?? sectionOf(route.path)],
    ...(route.needs === 'open' ? { security: [] } : {}),
    ...(route.needs === 'change' ? { 'x-role': 'admin' } : {}),
    parameters: [...pathParameters(route.path, /:(\w+)/g), ...queryParameters(route)],
    ...(route.body ? { requestBody: { required: true, content: json(route.body, 'input') } } : {}),
    responses: {
      [status]: {
        description: 'Done',
        ...(route.answerHeaders ? { headers: headersOf(route.answerHeaders) } : {}),
        ...(status === '204'
          ? {}
          : { content: { [answerType]: { schema: schemaOf(route.answer, 'output') } } }),
      },
      ...failures(codesOf(route)),
      default: failure('Anything else'),
    },
  };
}

/** What any route may answer, and what this one may besides. */
function codesOf({ needs, query, body, errors }: ApiRoute): readonly ErrorCode[] {
  return [
    ...(needs === 'open' ? [] : (['UNAUTHORIZED'] as const)),
    ...(needs === 'change' ? (['FORBIDDEN', 'CROSS_SITE'] as const) : []),
    ...(query || body ? (['HTTP_REQUEST'] as const) : []),
    'STOPPING',
    ...(errors ?? []),
  ];
}

/** One response for each status, with the codes that lead to it. */
function failures(codes: readonly ErrorCode[]): Record<string, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => String(statusOf(code)));
  return Object.fromEntries([...byStatus].map(([status, list]) => [status, failure(list.sort().join(', '))]));
}

const failure = (description: string): object => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
});

function documented(route: DocumentedRoute, error: 'Error' | 'InferenceError'): object {
  const { summary, open, path, body, answer, bodyType, answerType = 'application/json' } = route;
  return {
    operationId: `${route.method}${nameOf(path)}`,
    summary,
    tags: [route.tag ?? 'inference'],
    ...(open ? { security: [] } : {}),
    ...(route.security ? { security: route.security } : {}),
    parameters: pathParameters(path, /\{(\w+)\}/g),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: { [bodyType ?? 'application/json']: { schema: schemaOf(body, 'input') } },
          },
        }
      : {}),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'Done',
        ...(route.status === 204
          ? {}
          : { content: { [answerType]: { schema: schemaOf(answer, 'output') } } }),
      },
      default: {
        description: 'Error',
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${error}` } } },
      },
    },
  };
}

/** `/api/v1/models/:name/compare` as `ModelsNameCompare`. */
const nameOf = (path: string): string =>
  path
    .replace(/^\/api\/v1/, '')
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');

const sectionOf = (path: string): string => path.replace(/^\/api\/v1/, '').split('/')[1] ?? 'status';

const pathParameters = (path: string, pattern: RegExp): object[] =>
  [...path.matchAll(pattern)].map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));

function queryParameters(route: ApiRoute): object[] {
  return Object.entries(route.query?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = schemaOf(schema as z.ZodType, 'input') as Record<string, unknown>;
    return { name, in: 'query', required: false, ...(description ? { description } : {}), schema: rest };
  });
}

const headersOf = (headers: Readonly<Record<string, string>>): object =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  );

const json = (schema: z.ZodType, io: 'input' | 'output'): object => ({
  'application/json': { schema: schemaOf(schema, io) },
});

/** OpenAPI 3.1 names the dialect once for the whole document. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

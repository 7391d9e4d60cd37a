import { z } from 'zod';
import { type DocumentedRoute, INFERENCE_API, INFERENCE_FAILURE } from '../inference-api.ts';
import type { ApiRoute } from './route.ts';

const errorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    received: z.unknown().optional(),
    expected: z.string().optional(),
    fix: z.string(),
  }),
});

/** OpenAPI 3.1 document of the routes, from the schemas that check them. */
export function openApi(routes: readonly ApiRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  for (const route of INFERENCE_API) {
    paths[route.path] = { ...paths[route.path], [route.method]: documented(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'AIMX edge gateway',
      version,
      description:
        'Times are milliseconds since the Unix epoch. Errors carry a code, what was expected and the fix.',
    },
    security: [{ bearer: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'aimx_session' },
      },
    },
  };
}

function operation(route: ApiRoute): object {
  const failure = { description: 'Error', content: json(errorBody, 'output') };
  return {
    summary: route.summary,
    ...(route.needs === 'open' ? { security: [] } : {}),
    parameters: [...pathParameters(route), ...queryParameters(route)],
    ...(route.body ? { requestBody: { required: true, content: json(route.body, 'input') } } : {}),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'Done',
        ...(route.status === 204 ? {} : { content: json(route.answer, 'output') }),
      },
      default: failure,
    },
  };
}

function documented({ summary, open, path, body, answer }: DocumentedRoute): object {
  return {
    summary,
    ...(open ? { security: [] } : {}),
    parameters: named([...path.matchAll(/\{(\w+)\}/g)]),
    ...(body ? { requestBody: { required: true, content: json(body, 'input') } } : {}),
    responses: {
      '200': { description: 'Done', content: json(answer, 'output') },
      default: { description: 'Error', content: json(INFERENCE_FAILURE, 'output') },
    },
  };
}

const pathParameters = (route: ApiRoute): object[] => named([...route.path.matchAll(/:(\w+)/g)]);

function named(matches: readonly RegExpExecArray[]): object[] {
  return matches.map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(route: ApiRoute): object[] {
  return Object.entries(route.query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: withoutDialect(z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' })),
  }));
}

const json = (schema: z.ZodType, io: 'input' | 'output'): object => ({
  'application/json': { schema: withoutDialect(z.toJSONSchema(schema, { io })) },
});

/** OpenAPI 3.1 names the dialect once for the whole document. */
function withoutDialect({ $schema: _, ...schema }: Record<string, unknown>): object {
  return schema;
}

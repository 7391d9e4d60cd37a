import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import type { Caller } from '../auth.ts';

/** What a route gets, already checked against its schemas. */
export interface Call<Query = unknown, Body = unknown> {
  readonly query: Query;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly peer: string;
  readonly headers: IncomingHttpHeaders;
  /** Who asks; undefined only where the route is open. */
  readonly caller: Caller | undefined;
  /** Whether the browser came over TLS. */
  readonly secure: boolean;
  /** Aborted when the client has gone: work for it can end. */
  readonly signal: AbortSignal;
  setCookie(value: string): void;
  setHeader(name: string, value: string): void;
}

/** Groups of operations in the OpenAPI document. */
export type Tag =
  | 'alarms'
  | 'benchmark'
  | 'billing'
  | 'devices'
  | 'events'
  | 'flows'
  | 'health'
  | 'login'
  | 'models'
  | 'pipelines'
  | 'settings'
  | 'setup'
  | 'status'
  | 'streams'
  | 'upstream';

/** One operation: the same description serves requests and writes the OpenAPI document. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly tag?: Tag;
  /** `open`: anybody; `read`: somebody known (or loopback, see auth.ts); `change`: an admin. */
  readonly needs: 'open' | 'read' | 'change';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** Largest body in bytes; default 64 KiB. */
  readonly maxBodyBytes?: number;
  readonly answer: z.ZodType;
  /** Media type of the answer; default JSON. */
  readonly answerType?: string;
  /** Headers of the answer by name, with what they mean. */
  readonly answerHeaders?: Readonly<Record<string, string>>;
  readonly status?: number;
  /** Codes it may answer besides those that any route may. */
  readonly errors?: readonly ErrorCode[];
  run(call: Call): unknown;
}

type Checked<Schema> = Schema extends z.ZodType ? z.output<Schema> : unknown;

/** An operation whose `run` knows the types of its query and body. */
export function route<
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodObject | undefined = undefined,
>(
  definition: Omit<ApiRoute, 'query' | 'body' | 'run'> & {
    readonly query?: Query;
    readonly body?: Body;
    run(call: Call<Checked<Query>, Checked<Body>>): unknown;
  },
): ApiRoute {
  return definition as unknown as ApiRoute;
}

import { store } from './store.ts';

/** Requests to the gateway. */

const TIMEOUT_MS = 15_000;

/** An answer that is an error, in the gateway's own words. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string | undefined;
  /** The whole answer, for pages that know more about it. */
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    const { error } = (body ?? {}) as { error?: { code?: string; message?: string; fix?: string } };
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error?.code ?? `HTTP_${status}`;
    this.fix = error?.fix;
    this.body = body;
  }
}

/** Who is logged in; null: nobody, and the gateway wants a login; undefined: not asked yet. */
export interface Session {
  readonly name: string;
  readonly role: 'admin' | 'viewer';
}
export const session = store<Session | null | undefined>(undefined);
export const mayChange = (): boolean => session.value?.role === 'admin';

/** Stands for an admin during the first run: what the claim code was exchanged for. Only this page knows it. */
let claim: string | undefined;
export const claimWith = (token: string | undefined): void => {
  claim = token;
};

export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await exchange<T>(method, path, body)).answer;
}

async function exchange<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ answer: T; headers: Headers }> {
  const response = await fetch(path, {
    method,
    credentials: 'same-origin',
    headers: {
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(claim === undefined ? {} : { authorization: `Bearer ${claim}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  const answer: unknown = text === '' ? null : parse(text);
  if (response.ok) return { answer: answer as T, headers: response.headers };
  if (response.status === 401 && session.value !== undefined) session.set(null);
  throw new ApiError(response.status, answer);
}

export const get = <T>(path: string): Promise<T> => request<T>('GET', path);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => request<T>('POST', path, body);

/** A page of a list, and how long the whole list is. */
export async function getPaged<T>(path: string): Promise<{ rows: T[]; total: number }> {
  const { answer, headers } = await exchange<T[]>('GET', path);
  return { rows: answer, total: Number(headers.get('x-total-count') ?? answer.length) };
}

/** An answer as it came: some texts are signed byte by byte. */
export async function getText(path: string): Promise<string> {
  const response = await fetch(path, { credentials: 'same-origin', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  if (response.ok) return text;
  throw new ApiError(response.status, parse(text));
}

/** With headers of its own, such as If-Match. */
export async function send<T>(
  method: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Promise<T> {
  return (await exchange<T>(method, path, body, headers)).answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** A path with its query; empty values are left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | undefined>>,
): string {
  const words = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return words.length === 0 ? path : `${path}?${words.join('&')}`;
}

/** What to show of an error, whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

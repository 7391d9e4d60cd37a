import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, GatewayError } from '../errors.ts';
import { type LocalApi, readLocalApi } from '../security/local-api.ts';

/** The running gateway's HTTP interface, as the command line on the same machine sees it. */
export interface ApiClient {
  readonly url: string;
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<unknown>;
}

/** Long enough for loading and checking a large model on a small board. */
const TIMEOUT_MS = 120_000;

/** The gateway that runs on a data folder; undefined when none does. */
export function findApi(dataDir: string): ApiClient | undefined {
  const local = readLocalApi(dataDir);
  return local && createApiClient(local);
}

/** @throws GatewayError GATEWAY_DOWN */
export function requireApi(dataDir: string): ApiClient {
  const api = findApi(dataDir);
  if (api) return api;
  throw new GatewayError('GATEWAY_DOWN', 'no gateway runs with this configuration', { received: dataDir });
}

function createApiClient({ url, token }: LocalApi): ApiClient {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    let response: Response;
    try {
      response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new GatewayError('GATEWAY_DOWN', `the gateway does not answer at ${url}`, { cause: error });
    }
    const answer = await readJson(response);
    if (response.ok) return answer;
    throw errorOf(answer, response.status);
  };
  return {
    url,
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
    delete: (path) => call('DELETE', path),
  };
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError('GATEWAY_ANSWER', `status ${response.status}, not JSON`, {
      received: text.slice(0, 200),
      cause: error,
    });
  }
}

const errorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    received: z.unknown().optional(),
    expected: z.string().optional(),
    fix: z.string(),
  }),
});

/** The gateway's own error, as if it had been thrown here. */
function errorOf(answer: unknown, status: number): GatewayError {
  const parsed = errorAnswer.safeParse(answer);
  if (!parsed.success) return new GatewayError('GATEWAY_ANSWER', `the gateway answered ${status}`);
  const { code, message, received, expected, fix } = parsed.data.error;
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'GATEWAY_ANSWER';
  return new GatewayError(known, message, { received, fix, ...(expected === undefined ? {} : { expected }) });
}

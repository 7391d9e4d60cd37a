import { asGatewayError, type ErrorCode, GatewayError } from '../errors.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  HTTP_REQUEST: 400,
  CHANNEL_DOCUMENT: 400,
  IDENTITY_NAME: 400,
  PASSWORD_WEAK: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  CHANNEL_SIGNER: 403,
  CROSS_SITE: 403,
  NOT_FOUND: 404,
  CHANNEL_UNKNOWN: 404,
  MODEL_MISSING: 404,
  REQUEST_TOO_LARGE: 413,
  FLOWS_SIZE: 413,
  IDENTITY_UNKNOWN: 404,
  RECEIPT_UNKNOWN: 404,
  FLOWS_SNAPSHOT: 404,
  FLOWS_OFF: 404,
  MODEL_STATE: 409,
  MODEL_FACE: 409,
  CHANNEL_DISAGREES: 409,
  MODEL_REFUSED: 409,
  MODEL_GOLDEN: 409,
  CONFIG_UNREADABLE: 409,
  BENCH_REPORT: 422,
  IDENTITY_EXISTS: 409,
  IDENTITY_LIMIT: 409,
  IDENTITY_LAST_ADMIN: 409,
  THROTTLED: 429,
  QUEUE_FULL: 429,
  CONFIG_INVALID: 422,
  SETUP_ENTRIES: 422,
  SETUP_WIFI: 422,
  SETTINGS_MATCH: 428,
  SETTINGS_CHANGED: 412,
  SETTINGS_WRITE: 409,
  RECEIPT_REMOVED: 410,
  HTTP_BUSY: 503,
  STOPPING: 503,
  FLOWS_DOWN: 503,
  FLOWS_MISSING: 503,
  STORE_CLOSED: 503,
  STORE_BUSY: 503,
};

/** The status that a code is answered with. */
export const statusOf = (code: ErrorCode): number => STATUS[code] ?? 500;

/** Status and body of an error. What is our own fault is told without its inner words: those go to the log. */
export function errorReply(error: unknown): { status: number; body: object; internal: boolean } {
  const request = requestStatus(error);
  const coded =
    request === undefined
      ? asGatewayError(error)
      : new GatewayError('HTTP_REQUEST', (error as Error).message);
  const status = request ?? statusOf(coded.code);
  const internal = coded.code === 'INTERNAL';
  const shown = internal ? new GatewayError('INTERNAL', 'the request failed inside the gateway') : coded;
  return { status, body: { error: shown.toJSON() }, internal };
}

/** The status of an error that fastify raises about a request: body too large, not JSON, wrong media type. */
function requestStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || error instanceof GatewayError) return undefined;
  const { statusCode } = error as Error & { statusCode?: number };
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}

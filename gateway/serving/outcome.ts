import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { InferenceReply } from '../ports/serving.ts';
import type { StoredAnswer } from './store-module.ts';

/** Errors by what the caller can do: 4xx mend the request, 429 and 503 send it again, 504 too late. */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  REQUEST_INVALID: 400,
  REQUEST_BINARY: 400,
  MODEL_SHAPE: 400,
  MODEL_RUN: 400,
  REPLY_FORBIDDEN: 403,
  FORBIDDEN: 403,
  MODEL_MISSING: 404,
  REQUEST_CONFLICT: 409,
  BILLING_CONFLICT: 409,
  REQUEST_TOO_LARGE: 413,
  POISON: 422,
  MODEL_OUTPUT: 422,
  MODEL_REFUSED: 422,
  MODEL_LOAD: 422,
  MODEL_RUNTIME: 422,
  MODEL_FILE: 422,
  MODEL_CHECKSUM: 422,
  MODEL_GOLDEN: 422,
  MODEL_MANIFEST: 422,
  CHANNEL_DOCUMENT: 400,
  CHANNEL_SIGNER: 403,
  CHANNEL_OWNER: 403,
  CHANNEL_TERMS: 403,
  CHANNEL_RETIRED: 403,
  CHANNEL_UNKNOWN: 404,
  CHANNEL_DISAGREES: 409,
  // Payment required: with a higher ceiling, a deposit, … the same request is answered.
  CHANNEL_REQUIRED: 402,
  CHANNEL_CEILING: 402,
  CHANNEL_EXPIRED: 402,
  CHANNEL_DEPOSIT: 402,
  CHANNEL_THAWING: 402,
  CHANNEL_EXPOSURE: 402,
  CHANNEL_UNSEEN: 503,
  CHANNEL_TIME: 503,
  CHANNEL_MOVED: 503,
  QUEUE_FULL: 429,
  MODEL_HOST: 503,
  REMOTE_UNAVAILABLE: 503,
  REMOTE_ANSWER: 502,
  REMOTE_REFUSED: 502,
  STOPPING: 503,
  STORE_BUSY: 503,
  STORE_FULL: 503,
  STORE_IO: 503,
  STORE_CLOSED: 503,
  DEADLINE: 504,
};

const statusOf = (code: ErrorCode): number => STATUS[code] ?? 500;

/** Whether the same request may be sent again and then be answered: its id is not used up. */
export const mayRepeat = ({ status }: InferenceReply): boolean =>
  status === 402 || status === 429 || status === 503;

const NOTHING = new Uint8Array(0);

export function failure(id: string | undefined, code: string, message: string): InferenceReply {
  const known = code in ERROR_CODES ? (code as ErrorCode) : 'INTERNAL';
  return { id, status: statusOf(known), code: known, message, body: NOTHING, repeated: false };
}

export function success(
  id: string,
  { body, headerBytes }: { readonly body: Uint8Array; readonly headerBytes: number | undefined },
): InferenceReply {
  return { id, status: 200, body, ...(headerBytes === undefined ? {} : { headerBytes }), repeated: false };
}

/** An answer as the ledger keeps it, and back. */
export function toStored({ code, message, headerBytes, body }: InferenceReply): StoredAnswer {
  return { meta: JSON.stringify({ code, message, headerBytes }), body };
}

export function fromStored(id: string, { meta, body }: StoredAnswer): InferenceReply {
  const { code, message, headerBytes } = JSON.parse(meta) as Pick<
    InferenceReply,
    'code' | 'message' | 'headerBytes'
  >;
  const reply = code === undefined ? success(id, { body, headerBytes }) : failure(id, code, message ?? '');
  return { ...reply, repeated: true };
}

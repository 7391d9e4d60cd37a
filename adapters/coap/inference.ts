import type { Principal } from '../../gateway/ports/access.ts';
import type { InferenceReply, Serving } from '../../gateway/ports/serving.ts';
import type { Request } from './exchange.ts';
import { Code, Format } from './protocol.ts';
import { failure, type Response } from './response.ts';

/** Content-Formats of requests; the answer comes in the same. */
export const INFERENCE_FORMATS: ReadonlySet<number> = new Set([Format.JSON, Format.CBOR, Format.OCTETS]);

/** Codes by HTTP status (RFC 7252 §12.1.2, RFC 8132, RFC 8516). */
const CODES: Readonly<Record<number, number>> = {
  400: Code.BAD_REQUEST,
  403: Code.FORBIDDEN,
  404: Code.NOT_FOUND,
  409: Code.CONFLICT,
  413: Code.REQUEST_ENTITY_TOO_LARGE,
  422: Code.UNPROCESSABLE_ENTITY,
  429: Code.TOO_MANY_REQUESTS,
  503: Code.SERVICE_UNAVAILABLE,
  504: Code.GATEWAY_TIMEOUT,
};

/** Hands a request over to the models. A confirmable one is not acknowledged before the ledger has it. */
export function infer(
  serving: Serving,
  request: Request,
  target: { readonly model: string; readonly version?: string },
  principal: Principal | null | undefined,
): void {
  const cbor = request.options.contentFormat === Format.CBOR;
  request.hold?.(true);
  serving.infer(
    {
      ...target,
      body: new Uint8Array(request.payload),
      encoding: cbor ? 'cbor' : 'json',
      account: `consumer/${principal?.name ?? 'anonymous'}`,
      durable: request.confirmable ?? true,
      accepted: () => request.hold?.(false),
    },
    (reply) => {
      request.hold?.(false);
      request.respond(responseOf(reply, cbor));
    },
  );
}

function responseOf({ status, code, message, body, headerBytes }: InferenceReply, cbor: boolean): Response {
  if (code !== undefined) {
    const response = failure(CODES[status] ?? Code.INTERNAL_SERVER_ERROR, `${code}: ${message}`);
    return status === 429 || status === 503 ? { ...response, maxAge: 1 } : response;
  }
  const contentFormat = headerBytes !== undefined ? Format.OCTETS : cbor ? Format.CBOR : Format.JSON;
  return { code: Code.CHANGED, payload: body, contentFormat };
}

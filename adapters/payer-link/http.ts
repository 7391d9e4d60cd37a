import type { LinkAnswer, LinkReply, PayerLink } from '../../gateway/ports/payer-link.ts';

export interface HttpLinkOptions {
  /** `http://host:port`, without a path. */
  readonly url: string;
  /** Bearer token, where the gateway asks for one. */
  readonly token?: string;
  readonly timeoutMs?: number;
  /** Answers above this are no gateway's. Default 64 MiB. */
  readonly maxBytes?: number;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** A gateway over its HTTP port. Pure constructor. */
export function createHttpLink(options: HttpLinkOptions): PayerLink {
  const { url, token, timeoutMs = TIMEOUT_MS, maxBytes = MAX_ANSWER_BYTES } = options;
  const target = url.replace(/\/+$/, '');
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  const send = async (
    method: string,
    path: string,
    body?: Uint8Array | string,
    signal?: AbortSignal,
  ): Promise<LinkAnswer<{ readonly response: Response; readonly bytes: Uint8Array }>> => {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(target + path, {
        method,
        headers: { ...authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> | string }),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      const bytes = await readAtMost(response, maxBytes);
      return bytes ? { ok: true, value: { response, bytes } } : unreachable('the answer is too large');
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return unreachable(cause instanceof Error ? cause.message : String(cause));
    }
  };

  /** An answer of the API: JSON, or an error with its code. */
  const ask = async (method: string, path: string, body?: object): Promise<LinkAnswer<unknown>> => {
    const sent = await send(method, path, body && JSON.stringify(body));
    if (!sent.ok) return sent;
    const { response, bytes } = sent.value;
    const document = parse(bytes);
    if (!response.ok) return refusal(response.status, document);
    return document === undefined ? unreachable('not JSON') : { ok: true, value: document };
  };

  return {
    target,
    async infer(model, _id, body, signal) {
      const [name, version] = model.split('@');
      const path = `/v2/models/${encodeURIComponent(name!)}${version ? `/versions/${encodeURIComponent(version)}` : ''}/infer`;
      const sent = await send('POST', path, body, signal);
      if (!sent.ok) return sent;
      const { response, bytes } = sent.value;
      if (!response.ok) {
        const error = errorOf(parse(bytes));
        // A proxy or another program answers here, not the gateway.
        if (!error) return unreachable(`status ${response.status} without a code`);
        return { ok: true, value: { body: bytes, error } };
      }
      const length = Number(response.headers.get('inference-header-content-length') ?? Number.NaN);
      return {
        ok: true,
        value: {
          body: bytes,
          ...(Number.isInteger(length) ? { headerBytes: length } : {}),
        } satisfies LinkReply,
      };
    },
    async deliver(channel, kind, document) {
      const sent = await ask('POST', `/api/v1/channels/${channel}/${kind}s`, document);
      return sent.ok ? { ok: true, value: null } : sent;
    },
    async receipts(channel, from, limit) {
      const found = await ask('GET', `/api/v1/channels/${channel}/receipts?from=${from}&limit=${limit}`);
      if (!found.ok) return found;
      return Array.isArray(found.value)
        ? { ok: true, value: found.value }
        : unreachable('not a list of receipts');
    },
    channel: (channel) => ask('GET', `/api/v1/channels/${channel}`),
    offer: () => ask('GET', '/api/v1/tariff'),
    async close() {},
  };
}

/** The body; undefined when it is larger, whatever its length was said to be. */
async function readAtMost(response: Response, most: number): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    // Leaving the loop ends the connection.
    if (size > most) return undefined;
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

const unreachable = (reason: string): LinkAnswer<never> => ({ ok: false, kind: 'unreachable', reason });

function refusal(status: number, document: unknown): LinkAnswer<never> {
  const error = errorOf(document);
  if (!error || status === 429 || status >= 500) return unreachable(error?.message ?? `status ${status}`);
  return { ok: false, kind: 'refused', code: error.code, reason: error.message };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined; // no JSON: whoever asked treats it as no answer
  }
}

/** Errors of the API are `{error: {code, message}}`, of the inference protocol `{error: "…", code: "…"}`. */
function errorOf(document: unknown): { readonly code: string; readonly message: string } | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const { error, code } = document as { error?: unknown; code?: unknown };
  if (typeof error === 'string' && typeof code === 'string') return { code, message: error };
  if (typeof error !== 'object' || error === null) return undefined;
  const inner = error as { code?: unknown; message?: unknown };
  if (typeof inner.code !== 'string') return undefined;
  return { code: inner.code, message: String(inner.message ?? inner.code) };
}

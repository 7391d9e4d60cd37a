import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { UpstreamConfig } from '../../gateway/config/schema.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Delivery, Sink, UpstreamRecord } from '../../gateway/ports/sink.ts';
import { type Answer, retryAfterMs, verdict } from './answer.ts';

export interface HttpSinkParts {
  readonly upstream: UpstreamConfig;
  readonly gateway: string;
  readonly clock: Clock;
}

/** Most of an answer that is read, so that the connection can be used again, and that is told as the reason. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_REASON_BYTES = 512;

/**
 * POSTs records as NDJSON, one a line, each with its id. Each request carries an `Idempotency-Key`: the id of a lone
 * record, else a hash of all ids, the same when the same batch comes again.
 */
export function createHttpSink({ upstream, gateway, clock }: HttpSinkParts): Sink {
  const { url, timeout, batch, bearerFile } = upstream.http!;

  const post = async (records: readonly UpstreamRecord[], signal: AbortSignal): Promise<Answer> => {
    const abort = new AbortController();
    const stop = (): void => abort.abort(new Error('stopping'));
    const cancelTimeout = clock.after(timeout, () => abort.abort(new Error(`no answer in ${timeout} ms`)));
    signal.addEventListener('abort', stop, { once: true });
    try {
      // Read for each request, so that a renewed token counts at once.
      const token = bearerFile === undefined ? undefined : (await readFile(bearerFile, 'utf8')).trim();
      if (signal.aborted) return { kind: 'failed', reason: 'stopping' };
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        signal: abort.signal,
        headers: {
          'content-type': 'application/x-ndjson',
          'idempotency-key': `"${idempotencyKey(records)}"`,
          'user-agent': `aimx-gateway/${gateway}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: `${records.map((record) => record.body).join('\n')}\n`,
      });
      // The status decides; how its body ends changes nothing.
      const reason = await beginningOf(response).catch((error: Error) => error.message);
      return {
        kind: 'answered',
        status: response.status,
        reason,
        retryAfterMs: retryAfterMs(response.headers.get('retry-after'), clock.now()),
      };
    } catch (error) {
      return { kind: 'failed', reason: networkReason(abort.signal.aborted ? abort.signal.reason : error) };
    } finally {
      cancelTimeout();
      signal.removeEventListener('abort', stop);
    }
  };

  /** Sends records[from, to); halves what is refused until the record at fault is alone. */
  const send = async (
    records: readonly UpstreamRecord[],
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<Delivery> => {
    const answer = await post(records.slice(from, to), signal);
    const outcome = verdict(answer, url);
    if (outcome.kind === 'delivered') return outcome;
    if (outcome.kind === 'unavailable') {
      return from === 0 ? outcome : { kind: 'partial', count: from, reason: outcome.reason };
    }
    if (to - from === 1) return { kind: 'refused', index: from, reason: outcome.reason };
    const middle = (from + to) >> 1;
    const first = await send(records, from, middle, signal);
    return first.kind === 'delivered' ? await send(records, middle, to, signal) : first;
  };

  return {
    id: upstream.id,
    batch,
    deliver: (records, signal) => send(records, 0, records.length, signal),
    // A server does not call back; the back-off finds out.
    onReady() {},
    async start() {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
        throw new GatewayError('UPSTREAM_SINK', `upstream ${upstream.id}: ${url} is no HTTP address`, {
          received: url,
          expected: 'http:// or https://',
        });
      }
    },
    async stop() {},
  };
}

/** Ids are unique and in order, so their hash names the batch. */
function idempotencyKey(records: readonly UpstreamRecord[]): string {
  const [only] = records;
  if (records.length === 1 && /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(only!.id)) return only!.id;
  const hash = createHash('sha256');
  for (const { id } of records) hash.update(id).update('\n');
  return hash.digest('hex');
}

/** Reads the answer to its end, within reason; answers the beginning, for people. */
async function beginningOf(response: Response): Promise<string> {
  if (!response.body) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    if (bytes < MAX_REASON_BYTES) chunks.push(chunk.subarray(0, MAX_REASON_BYTES));
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > MAX_ANSWER_BYTES) break;
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_REASON_BYTES).toString('utf8');
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** fetch hides why it failed in the cause. */
function networkReason(error: unknown): string {
  const { message, cause } = error as Error;
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return message;
}

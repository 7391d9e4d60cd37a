import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { UpstreamConfig } from '../../gateway/config/schema.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Delivery, Sink, UpstreamRecord } from '../../gateway/ports/sink.ts';
import { type Answer, retryAfterMs, verdict } from './answer.ts';
import { Probe } from './probe.ts';
import { Connection, reasonOf } from './request.ts';

export interface HttpSinkParts {
  readonly upstream: UpstreamConfig;
  readonly gateway: string;
  readonly clock: Clock;
}

/** Errors of a connection that never stood. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
]);

/**
 * POSTs records as NDJSON, one a line, each with its id. Each request carries an `Idempotency-Key`: the id of a lone
 * record, else a hash of all ids, the same when the same batch comes again.
 */
export function createHttpSink({ upstream, gateway, clock }: HttpSinkParts): Sink {
  const { url, timeout, batch, bearerFile } = upstream.http!;

  let onBack = (): void => undefined;
  let open: { readonly connection: Connection; readonly probe: Probe } | undefined;
  const place = () => {
    const parts = { url: new URL(url), clock, random: Math.random, onBack: () => onBack() };
    open ??= { connection: new Connection(parts.url), probe: new Probe(parts) };
    return open;
  };

  const post = async (records: readonly UpstreamRecord[], signal: AbortSignal): Promise<Answer> => {
    const abort = new AbortController();
    const stop = (): void => abort.abort(new Error('stopping'));
    const cancelTimeout = clock.after(timeout, () => abort.abort(new Error(`no answer in ${timeout} ms`)));
    signal.addEventListener('abort', stop, { once: true });
    try {
      // Read for each request, so that a renewed token counts at once.
      const token = bearerFile === undefined ? undefined : (await readFile(bearerFile, 'utf8')).trim();
      if (signal.aborted) return { kind: 'failed', reason: 'stopping' };
      const headers = {
        'content-type': 'application/x-ndjson',
        'idempotency-key': `"${idempotencyKey(records)}"`,
        'user-agent': `aimx-gateway/${gateway}`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      };
      const body = `${records.map((record) => record.body).join('\n')}\n`;
      const { status, reason, retryAfter } = await place().connection.post(body, headers, abort.signal);
      return { kind: 'answered', status, reason, retryAfterMs: retryAfterMs(retryAfter, clock.now()) };
    } catch (error) {
      return { kind: 'failed', reason: reasonOf(error) };
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
    async deliver(records, signal) {
      const { probe } = place();
      probe.stop();
      const delivery = await send(records, 0, records.length, signal);
      if (delivery.kind === 'unavailable' && !signal.aborted) probe.start(UNREACHABLE.has(delivery.reason));
      return delivery;
    },
    /** A server does not call back, so its address is watched while it cannot be connected to. */
    onReady(listener) {
      onBack = listener;
    },
    async start() {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
        throw new GatewayError('UPSTREAM_SINK', `upstream ${upstream.id}: ${url} is no HTTP address`, {
          received: url,
          expected: 'http:// or https://',
        });
      }
    },
    async stop() {
      open?.probe.stop();
      open?.connection.close();
      open = undefined;
    },
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

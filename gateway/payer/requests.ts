import { asGatewayError, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { Backoff } from '../system/backoff.ts';
import type { Asked } from './answers.ts';
import type { OpenRequest } from './books/requests.ts';
import type { Desk } from './desk.ts';

/** Sends requests of a channel until each has its one terminal answer, several at a time. */

export interface RequestsOptions {
  readonly desk: Desk;
  readonly clock: Clock;
  /** Requests under way at a time. */
  readonly concurrency: number;
  /** How long a request is tried again, ms; what has no answer then stays in the books for the next run. */
  readonly patience: number;
  /** Acknowledge after so many answers. */
  readonly ackEvery: number;
  readonly signal: AbortSignal;
  readonly onAnswer: (asked: Asked) => void;
}

const RETRY = { first: 100, last: 5000, jitter: 0.5 };

/** Sends everything `requests` gives. Resolves when all are over or given up; rejects with what `requests` rejects with. */
export async function sendRequests(
  requests: AsyncIterable<OpenRequest> | Iterable<OpenRequest>,
  options: RequestsOptions,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let answers = 0;
  const settle = async (asked: Asked): Promise<void> => {
    options.onAnswer(asked);
    if (++answers % options.ackEvery === 0) await settleQuietly(options.desk);
  };
  for await (const request of requests) {
    if (options.signal.aborted) break;
    const one: Promise<void> = sendOne(request, options)
      .then(settle)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(one));
    underWay.add(one);
    if (underWay.size >= options.concurrency) await Promise.race(underWay);
    if (failures.length > 0) break;
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
}

async function sendOne(request: OpenRequest, options: RequestsOptions): Promise<Asked> {
  const { desk, clock, signal } = options;
  const backoff = new Backoff(RETRY);
  const end = clock.monotonic() + options.patience;
  for (;;) {
    const asked = await desk.ask(request, signal);
    if (asked.kind !== 'later') return asked;
    if (signal.aborted || clock.monotonic() >= end) return asked;
    // It may be the ceiling: whatever the gateway should have is handed over again.
    if (asked.code.startsWith('CHANNEL_')) await settleQuietly(desk, true);
    await pause(clock, backoff.next(), signal);
  }
}

/** Hands over what is due; a gateway that cannot be reached, or a limit, is for the next time or for the request itself. */
async function settleQuietly(desk: Desk, again = false): Promise<void> {
  try {
    await desk.settle({ ack: true, again });
  } catch (error) {
    const { code } = asGatewayError(error);
    if (!LEFT_TO_OWNER.has(code)) throw error;
  }
}

/** What only the channel's owner can mend. */
export const LEFT_TO_OWNER: ReadonlySet<string> = new Set(['PAYER_LIMIT', 'PAYER_ESCROW', 'PAYER_REFUSED']);

/** Waits, or less when `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      clearInterval(alive);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    // The clock's timers let a process end; who waits here wants it to go on.
    const alive = setInterval(() => {}, 1 << 30);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

/** Lines of a text that comes in pieces. Nothing is read before it is asked for, so no line is lost. */
async function* linesOf(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of input) {
    const lines = (
      rest + (typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true }))
    ).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest + decoder.decode();
}

/** One request a line, as JSON. Throws REQUEST_INVALID naming the line. */
export async function* readRequests(
  input: AsyncIterable<string | Uint8Array>,
  prepare: (document: object) => OpenRequest,
): AsyncGenerator<OpenRequest> {
  let number = 0;
  for await (const line of linesOf(input)) {
    number++;
    if (line.trim() === '') continue;
    let document: unknown;
    try {
      document = JSON.parse(line);
    } catch (cause) {
      throw new GatewayError('REQUEST_INVALID', `line ${number} is not JSON`, { cause });
    }
    if (typeof document !== 'object' || document === null || Array.isArray(document))
      throw new GatewayError('REQUEST_INVALID', `line ${number} is no request`);
    yield prepare(document);
  }
}

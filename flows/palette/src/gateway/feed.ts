import { asError } from './errors.ts';
import type { HttpApi } from './http-api.ts';

export type FeedKind = 'readings' | 'results' | 'aggregates';

/** Where a feed begins: with what comes from now on, with the oldest that is kept, or behind a cursor. */
export type FeedStart = 'new' | 'oldest' | number;

export interface FeedRecord {
  /** Position in the journal; grows, without gaps that mean anything. */
  readonly seq: number;
  readonly device: string;
  /** Event time, ms. */
  readonly time: number;
  readonly [key: string]: unknown;
}

interface FeedPage {
  readonly records: readonly FeedRecord[];
  /** Cursor behind what was looked at. */
  readonly next: number;
  /** Records between the cursor and the oldest kept one: they were given up by the journal's limits. */
  readonly missed: number;
}

export interface FeedRequest {
  readonly kind: FeedKind;
  /** Stream, pipeline or aggregate. */
  readonly id: string;
  /** Empty: all. */
  readonly device: string;
  readonly start: FeedStart;
  /** One by one, in order; the next is handed over when the promise is kept. */
  record(record: FeedRecord): void | Promise<void>;
  /** The cursor has moved behind all records handed over so far. */
  cursor(seq: number): void;
  /** The journal no longer had so many. */
  missed?(count: number): void;
  state(state: 'following' | 'waiting', error?: Error): void;
}

const LIMIT = 500;
/** How long the gateway holds a question that has no answer yet. */
const WAIT_MS = 8000;
const PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;

/**
 * Reads a journal of the gateway in order behind a cursor of its own, whatever door the records came in by. Nothing is
 * skipped while the journal keeps it: after an interruption it goes on where it was.
 */
export class FeedReader {
  readonly #api: HttpApi;
  readonly #request: FeedRequest;
  readonly #abort = new AbortController();

  constructor(api: HttpApi, request: FeedRequest) {
    this.#api = api;
    this.#request = request;
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { start } = this.#request;
    let after: number | 'new' | 'oldest' = start;
    let pause = PAUSE_MS;
    while (!signal.aborted) {
      try {
        after = await this.#page(after);
        pause = PAUSE_MS;
        if (!signal.aborted) this.#request.state('following');
      } catch (cause) {
        if (signal.aborted) return;
        this.#request.state('waiting', asError(cause));
        await sleep(pause, signal);
        pause = Math.min(2 * pause, MAX_PAUSE_MS);
      }
    }
  }

  async #page(after: number | 'new' | 'oldest'): Promise<number> {
    const { kind, id, device, record, cursor, missed } = this.#request;
    const { signal } = this.#abort;
    const asked = performance.now();
    const query = new URLSearchParams({
      ...(typeof after === 'number' ? { after: String(after) } : { from: after }),
      ...(device === '' ? {} : { device }),
      limit: String(LIMIT),
      // The first answer comes at once: it says where the journal is.
      wait: String(typeof after === 'number' ? WAIT_MS : 0),
    });
    const page = await this.#api.get<FeedPage>(`/api/v1/feed/${kind}/${encodeURIComponent(id)}?${query}`, {
      signal,
      held: true,
      timeoutMs: WAIT_MS + 7000,
    });
    if (page.missed > 0) missed?.(page.missed);
    for (const one of page.records) {
      if (signal.aborted) return page.next;
      await record(one);
    }
    if (signal.aborted) return page.next;
    cursor(page.next);
    // A gateway with too many callers answers without waiting.
    const idle = typeof after === 'number' && page.next === after && performance.now() - asked < PAUSE_MS;
    if (idle) await sleep(PAUSE_MS, signal);
    return page.next;
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

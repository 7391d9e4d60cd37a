import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { JournalStream, NewRecord, StateRow, Store } from '../../store/types.ts';
import { Backoff, LOCAL } from '../../system/backoff.ts';
import { aimx } from '../formats/amount.ts';
import { toHex } from '../formats/bytes.ts';
import type { FedRow } from './receipt-queries.ts';

/** Under this name the store keeps how far each book is fed. */
const CONSUMER = 'receipts';
const EVERY_MS = 1000;
/** Receipts in one commit. */
const BATCH = 500;

export interface ReceiptFeedParts {
  /** Name of the gateway, part of every id. */
  readonly gateway: string;
  readonly store: Pick<Store, 'commit' | 'query' | 'states'>;
  /** Where the documents go; sinks take them from there. */
  readonly stream: JournalStream<string>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Writes every receipt as a document into the journal, for the sinks that send receipts. Receipts are made inside the
 * writer thread, so this follows them by a second at most. A document and the place behind it commit together: each
 * receipt is fed once, whatever is killed when.
 */
export class ReceiptFeed {
  readonly #parts: ReceiptFeedParts;
  readonly #backoff = new Backoff(LOCAL);
  /** Ordinal of the last receipt fed, by book. */
  readonly #fed = new Map<number, number>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = true;

  constructor(parts: ReceiptFeedParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    for (const { key, asOf } of await this.#parts.store.states(CONSUMER)) this.#fed.set(Number(key), asOf);
    this.#stopped = false;
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#round().then((next) => this.#schedule(next));
    });
  }

  /** Answers when to look again, ms. */
  async #round(): Promise<number> {
    const { store, log } = this.#parts;
    try {
      const rows = await store.query<FedRow[]>('billing.after', { fed: [...this.#fed], limit: BATCH });
      if (rows.length > 0) await this.#feed(rows);
      this.#backoff.reset();
      return rows.length === BATCH ? 0 : EVERY_MS;
    } catch (error) {
      const retryMs = this.#backoff.next();
      if (!this.#stopped)
        log.warn(
          { error: String(error), retryMs },
          'billing: receipts could not be fed upstream, trying again',
        );
      return retryMs;
    }
  }

  async #feed(rows: readonly FedRow[]): Promise<void> {
    const { store, stream } = this.#parts;
    const reached = new Map(rows.map(({ book, ordinal }) => [book, ordinal]));
    const states = [...reached].map(
      ([book, asOf]): StateRow => ({ consumer: CONSUMER, key: String(book), asOf, bytes: new Uint8Array(0) }),
    );
    await store.commit({
      appends: [{ stream: stream.name, records: rows.map((row) => this.#record(row)) }],
      states,
    });
    for (const [book, ordinal] of reached) this.#fed.set(book, ordinal);
  }

  #record(row: FedRow): NewRecord<string> {
    const hash = toHex(row.hash);
    const document = {
      id: `${this.#parts.gateway}/receipt/${hash}`,
      place: `${row.book}:${row.ordinal}`,
      time: row.started_at,
      account: row.account,
      seq: row.seq,
      requestId: row.request_id,
      model: JSON.parse(row.model) as unknown,
      usage: JSON.parse(row.usage) as unknown,
      computeUs: row.compute_us,
      amount: aimx(row.amount),
      cumulative: aimx(row.cumulative),
      hash,
    };
    return { device: row.account, time: row.started_at, flags: 0, value: JSON.stringify(document) };
  }
}

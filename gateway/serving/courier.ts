import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Outbound, Prepared, Publisher } from '../ports/publisher.ts';
import type { InferenceReply, ReplyAddress } from '../ports/serving.ts';
import type { Store } from '../store/types.ts';
import { addressOf, type StoredCall } from './flight.ts';
import { fromStored } from './outcome.ts';
import type { OwedRow } from './store-module.ts';

export interface CourierParts {
  readonly publisher: Publisher;
  readonly store: Pick<Store, 'commit' | 'query'>;
  readonly clock: Clock;
  readonly log: Log;
}

const NOTHING: Prepared = { ops: [], settle() {} };
/** Between attempts to send what a broker did not take, ms. */
const RETRY_MS = 2000;
const PAGE = 64;

/**
 * Publishes answers. With the broker of this gateway they commit together with the answer; with another one they are
 * owed in the ledger until it has taken them, over any number of restarts.
 */
export class Courier {
  readonly #parts: CourierParts;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(parts: CourierParts) {
    this.#parts = parts;
  }

  /** Whether answers must be kept as owed until they are sent. */
  get owes(): boolean {
    return this.#parts.publisher.prepare === undefined;
  }

  /** Messages that go out if the transaction with these operations commits. */
  prepare(reply: InferenceReply, addresses: readonly ReplyAddress[]): Prepared {
    const { publisher, log } = this.#parts;
    if (addresses.length === 0 || !publisher.prepare) return NOTHING;
    try {
      return publisher.prepare(addresses.map((address) => messageOf(reply, address)));
    } catch (error) {
      log.warn({ err: error }, 'serving: an answer cannot be published, its sender may ask again');
      return NOTHING;
    }
  }

  /** Publishes now. With `owed` the ledger is told; without, what the broker does not take is lost. */
  async send(
    reply: InferenceReply,
    address: ReplyAddress,
    owed?: { readonly account: string; readonly id: string },
  ): Promise<void> {
    const { publisher, store, log } = this.#parts;
    try {
      await publisher.publish([messageOf(reply, address)]);
      if (owed) await store.commit({ ops: [{ op: 'serving.delivered', args: owed }] });
    } catch (error) {
      log.warn({ err: error, id: reply.id }, 'serving: an answer was not taken by the broker, trying again');
      if (owed) this.retryLater();
    }
  }

  retryLater(): void {
    if (this.#stopped) return;
    this.#cancelRetry ??= this.#parts.clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      void this.sendOwed();
    });
  }

  /** Sends what is owed, oldest first, until something is not taken. */
  async sendOwed(): Promise<void> {
    const { publisher, store, log } = this.#parts;
    try {
      for (;;) {
        const rows = await store.query<OwedRow[]>('serving.owed', { limit: PAGE });
        for (const { account, id, owed, ...stored } of rows) {
          const address = addressOf(JSON.parse(owed) as StoredCall['reply']);
          if (this.#stopped) return;
          if (address) await publisher.publish([messageOf(fromStored(id, stored), address)]);
          await store.commit({ ops: [{ op: 'serving.delivered', args: { account, id } }] });
        }
        if (rows.length < PAGE) return;
      }
    } catch (error) {
      log.debug({ err: error }, 'serving: answers are still owed, trying again');
      this.retryLater();
    }
  }

  start(): void {
    this.#stopped = false;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }
}

/** An answer as a message: the response itself, or `{id, error: {code, message}}`. */
export function messageOf(reply: InferenceReply, { topic, correlation }: ReplyAddress): Outbound {
  const { code, message, body, headerBytes } = reply;
  const payload =
    code === undefined ? body : JSON.stringify({ id: reply.id ?? null, error: { code, message } });
  const user =
    headerBytes === undefined ? undefined : { 'Inference-Header-Content-Length': `${headerBytes}` };
  return {
    topic,
    payload,
    qos: 1,
    retain: false,
    properties: {
      ...(correlation ? { correlation } : {}),
      contentType: headerBytes === undefined ? 'application/json' : 'application/octet-stream',
      ...(user ? { user } : {}),
    },
  };
}

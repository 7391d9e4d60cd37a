import type { CursorMove, StateRow } from '../store/types.ts';
import type { Feed } from './feed.ts';

export interface Quota {
  readonly maxBytes: number;
  readonly whenFull: 'drop-oldest' | 'reject-new';
}

/** What the outbox wants committed because of its quota. */
export interface QuotaStep {
  readonly cursors: readonly CursorMove[];
  readonly states: readonly StateRow[];
}

/** A full outbox opens again, and its alarm ends, when this part of the quota is in use. */
const REOPEN = 0.9;

/**
 * The quota over all feeds of one sink. `drop-oldest` passes over the oldest records of the feed that holds the most;
 * `reject-new` offers nothing newer than the moment it got full until a tenth is free again. Either way what is given
 * up is counted as expired. Sizes are journal bytes, by the average record of each stream.
 */
export class Outbox {
  readonly #consumer: string;
  readonly #feeds: readonly Feed[];
  readonly #quota: Quota;
  /** Whether something had to give way and there is not yet room again. */
  full = false;
  expired = 0;

  constructor(consumer: string, feeds: readonly Feed[], quota: Quota) {
    this.#consumer = consumer;
    this.#feeds = feeds;
    this.#quota = quota;
  }

  get bytes(): number {
    return this.#feeds.reduce((sum, feed) => sum + feed.pendingBytes, 0);
  }

  get records(): number {
    return this.#feeds.reduce((sum, feed) => sum + feed.pending, 0);
  }

  /** Applies the quota; null when nothing changes. */
  enforce(): QuotaStep | null {
    const bytes = this.bytes;
    const { maxBytes, whenFull } = this.#quota;
    if (bytes > maxBytes) {
      this.full = true;
      return whenFull === 'drop-oldest' ? this.#drop(bytes - maxBytes) : this.#close();
    }
    if (!this.full || bytes > maxBytes * REOPEN) return null;
    this.full = false;
    return whenFull === 'reject-new' ? this.#open() : null;
  }

  /** Takes over what was closed or given up before a restart. */
  load(rows: readonly { readonly key: string; readonly bytes: Uint8Array }[]): void {
    for (const { key, bytes } of rows) {
      const feed = this.#feeds.find(({ stream }) => stream === key);
      feed?.gaps.load(bytes);
      if (feed?.gaps.closed) this.full = true;
    }
  }

  #drop(excess: number): QuotaStep | null {
    const largest = this.#feeds.reduce((a, b) => (b.pendingBytes > a.pendingBytes ? b : a));
    const { pending, pendingBytes, start, stream } = largest;
    if (pending === 0) return null;
    const count = Math.min(pending, Math.max(1, Math.ceil((excess * pending) / pendingBytes)));
    const seq = Math.min(start + count, largest.head);
    this.expired += seq - largest.position;
    largest.pass(seq);
    return { cursors: [{ consumer: this.#consumer, stream, seq, expired: true }], states: [] };
  }

  #close(): QuotaStep | null {
    const open = this.#feeds.filter((feed) => !feed.gaps.closed);
    if (open.length === 0) return null;
    for (const feed of open) feed.gaps.close(feed.head);
    return this.#changed(open);
  }

  #open(): QuotaStep {
    const closed = this.#feeds.filter((feed) => feed.gaps.closed);
    for (const feed of closed) feed.gaps.open(feed.head);
    return this.#changed(closed);
  }

  #changed(feeds: readonly Feed[]): QuotaStep {
    const states = feeds.map((feed) => ({
      consumer: this.#consumer,
      key: feed.stream,
      asOf: feed.position,
      bytes: feed.gaps.encode(),
    }));
    return { cursors: [], states };
  }
}

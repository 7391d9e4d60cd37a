import { rejectedRecords } from '../config/names.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Delivery, Sink } from '../ports/sink.ts';
import type { CursorMove, Store, Transaction } from '../store/types.ts';
import { Backoff, LINK } from '../system/backoff.ts';
import type { Batch, Feed } from './feed.ts';
import { Outbox, type Quota } from './outbox.ts';
import { parkedRecord } from './parked.ts';
import { Pause } from './pause.ts';
import { Rate } from './rate.ts';
import type { SharedAlarm } from './shared-alarm.ts';

/** An outage shorter than this is nobody's business. */
const DOWN_ALARM_MS = 60_000;
/** Longest wait that a receiver may ask for. */
const MAX_RETRY_AFTER_MS = 300_000;

export interface ForwarderParts {
  readonly sink: Sink;
  /** Name under which the store keeps the cursors. */
  readonly consumer: string;
  readonly feeds: readonly Feed[];
  readonly quota: Quota;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly down: SharedAlarm;
  readonly full: SharedAlarm;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface ForwarderStats {
  readonly id: string;
  /** Whether the link stands, or the last delivery succeeded. */
  readonly connected: boolean;
  readonly pending: { readonly records: number; readonly bytes: number };
  /** How long the oldest pending record has waited since its arrival, ms; null when nothing waits. */
  readonly oldestAgeMs: number | null;
  /** Records delivered, refused for good (kept in `$rejected/upstream-<sink>`), given up, since the start. */
  readonly delivered: number;
  readonly refused: number;
  readonly expired: number;
  /** Records per second, lately. */
  readonly rate: number;
  /** Seconds until nothing waits, if it goes on like this; null when it is not getting less. */
  readonly drainSeconds: number | null;
  readonly lastError: { readonly time: number; readonly reason: string } | null;
}

/** Moves the records of all feeds to one sink: a batch of each in turn, each in order, until it is acknowledged. */
export class Forwarder {
  readonly #parts: ForwarderParts;
  readonly #outbox: Outbox;
  readonly #work: Pause;
  readonly #link: Pause;
  readonly #rate: Rate;
  readonly #incoming: Rate;
  #abort = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void)[] = [];
  readonly #unsaved = new Map<string, CursorMove>();
  #listening = false;
  #turn = 0;
  #up = false;
  readonly #backoff: Backoff;
  #cancelDownAlarm: (() => void) | undefined;
  #delivered = 0;
  #refused = 0;
  #lastError: { time: number; reason: string } | null = null;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
    this.#outbox = new Outbox(parts.consumer, parts.feeds, parts.quota);
    this.#work = new Pause(parts.clock);
    this.#link = new Pause(parts.clock);
    this.#rate = new Rate(parts.clock.monotonic());
    this.#incoming = new Rate(parts.clock.monotonic());
    this.#backoff = new Backoff(LINK, parts.random);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { sink, consumer, feeds, store } = this.#parts;
    this.#abort = new AbortController();
    for (const feed of feeds) feed.position = store.consumer(consumer, feed.stream, 'oldest').seq;
    this.#outbox.load(await store.states(consumer));
    signal.throwIfAborted();
    for (const feed of feeds) this.#unsubscribe.push(feed.onCommit(this.#committed(feed)));
    if (!this.#listening) sink.onReady(() => this.#link.end());
    this.#listening = true;
    await sink.start(signal);
    this.#loop = this.#run(this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    for (const end of this.#unsubscribe.splice(0)) end();
    await this.#loop;
    await this.#saving;
    this.#cancelDownAlarm?.();
    this.#cancelDownAlarm = undefined;
    await this.#parts.sink.stop();
  }

  stats(): ForwarderStats {
    const { sink, feeds, clock } = this.#parts;
    const now = clock.monotonic();
    const records = this.#outbox.records;
    const since = feeds.flatMap((feed) => (feed.pending > 0 && feed.waitingSince ? [feed.waitingSince] : []));
    const rate = this.#rate.value(now);
    const gain = rate - this.#incoming.value(now);
    return {
      id: sink.id,
      connected: sink.connected ?? this.#up,
      pending: { records, bytes: this.#outbox.bytes },
      oldestAgeMs: since.length === 0 ? null : Math.max(0, clock.now() - Math.min(...since)),
      delivered: this.#delivered,
      refused: this.#refused,
      expired: this.#outbox.expired,
      rate,
      drainSeconds: records === 0 ? 0 : gain > 0 ? records / gain : null,
      lastError: this.#lastError,
    };
  }

  #committed(feed: Feed): () => void {
    let head = feed.head;
    return () => {
      const { clock } = this.#parts;
      this.#incoming.add(feed.head - head, clock.monotonic());
      head = feed.head;
      feed.waitingSince ??= clock.now();
      this.#enforceQuota();
      this.#work.end();
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#enforceQuota();
    while (!signal.aborted) {
      try {
        const feed = this.#nextFeed();
        if (feed === undefined) await this.#work.wait(Number.POSITIVE_INFINITY, signal);
        else await this.#serve(feed, signal);
      } catch (error) {
        if (signal.aborted) break;
        // Only the store can throw here; it mends itself or the gateway stops.
        await this.#failed(`the store failed (${(error as Error).message})`, undefined, signal);
      }
      // Everything else on this thread comes first: a backlog must not delay live traffic.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Feeds take turns, so that a backlog in one does not hold up another. */
  #nextFeed(): Feed | undefined {
    const { feeds } = this.#parts;
    for (let i = 1; i <= feeds.length; i++) {
      const index = (this.#turn + i) % feeds.length;
      const feed = feeds[index]!;
      if (feed.pending === 0 && feed.gaps.skip(feed.position) === feed.position) continue;
      this.#turn = index;
      return feed;
    }
    return undefined;
  }

  async #serve(feed: Feed, signal: AbortSignal): Promise<void> {
    const behindGap = feed.gaps.skip(feed.position);
    if (behindGap > feed.position) {
      this.#outbox.expired += behindGap - feed.position;
      await this.#pass(feed, behindGap, { expired: true });
      return;
    }
    const end = feed.gaps.limit(feed.position, feed.head);
    const batch = await feed.next(this.#parts.sink.batch);
    if (batch === null) {
      // Retention or damage took all of it; the store counts that as expired.
      await this.#pass(feed, end);
      return;
    }
    feed.waitingSince = batch.firstArrival;
    this.#link.reset();
    const delivery = await this.#deliver(batch, signal);
    await this.#settle(feed, batch, delivery, signal);
  }

  async #deliver(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    try {
      return await this.#parts.sink.deliver(batch.records, signal);
    } catch (error) {
      return { kind: 'unavailable', reason: `the sink failed: ${(error as Error).message}` };
    }
  }

  async #settle(feed: Feed, batch: Batch, delivery: Delivery, signal: AbortSignal): Promise<void> {
    switch (delivery.kind) {
      case 'delivered':
        this.#reached(batch.seqs.length);
        await this.#pass(feed, batch.seqs.at(-1)!, { arrival: batch.lastArrival });
        return;
      case 'partial':
        if (delivery.count > 0) {
          this.#reached(delivery.count);
          await this.#pass(feed, batch.seqs[delivery.count - 1]!, { arrival: batch.firstArrival });
        }
        await this.#failed(delivery.reason, undefined, signal);
        return;
      case 'refused':
        await this.#park(feed, batch, delivery.index, delivery.reason);
        return;
      case 'unavailable':
        await this.#failed(delivery.reason, delivery.retryAfterMs, signal);
    }
  }

  /** The record and its passing commit together: it is either still to be sent or kept with the reason. */
  async #park(feed: Feed, batch: Batch, index: number, reason: string): Promise<void> {
    const { sink, consumer, store, clock, log } = this.#parts;
    const record = batch.records[index]!;
    const seq = batch.seqs[index]!;
    await this.#saving;
    await store.commit({
      appends: [
        { stream: rejectedRecords(sink.id), records: [parkedRecord(sink.id, record, reason, clock.now())] },
      ],
      cursors: seq > feed.position ? [{ consumer, stream: feed.stream, seq }] : [],
    });
    feed.pass(seq);
    this.#unsaved.delete(feed.stream);
    this.#reached(index);
    this.#refused++;
    log.warn(
      { sink: sink.id, id: record.id, reason },
      `upstream: ${sink.id} refused a record, kept and passed over`,
    );
  }

  #reached(count: number): void {
    const { sink, clock, log, down } = this.#parts;
    this.#delivered += count;
    this.#rate.add(count, clock.monotonic());
    this.#backoff.reset();
    this.#cancelDownAlarm?.();
    this.#cancelDownAlarm = undefined;
    down.clear(sink.id);
    if (!this.#up)
      log.info({ sink: sink.id, pending: this.#outbox.records }, `upstream: ${sink.id} is reached, sending`);
    this.#up = true;
  }

  async #failed(reason: string, retryAfterMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { sink, clock, log, down } = this.#parts;
    const pause = Math.max(this.#backoff.next(), Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
    this.#lastError = { time: clock.now(), reason };
    const fields = { sink: sink.id, reason, retryMs: pause };
    if (this.#up || this.#cancelDownAlarm === undefined)
      log.warn(fields, `upstream: lost ${sink.id}, trying again`);
    else log.debug(fields, `upstream: ${sink.id} is still away, trying again`);
    this.#up = false;
    this.#cancelDownAlarm ??= clock.after(DOWN_ALARM_MS, () => {
      down.raise(sink.id, `has not been reached for a minute: ${this.#lastError?.reason}`);
    });
    await this.#link.wait(pause, signal);
  }

  /** Moves the cursor on. One move is being stored at a time, while the next batch is already on its way. */
  async #pass(feed: Feed, seq: number, how: { expired?: boolean; arrival?: number } = {}): Promise<void> {
    const { consumer, clock } = this.#parts;
    if (!feed.pass(seq)) return;
    feed.waitingSince = feed.pending > 0 ? (how.arrival ?? clock.now()) : undefined;
    const move: CursorMove = {
      consumer,
      stream: feed.stream,
      seq,
      ...(how.expired ? { expired: true } : {}),
    };
    await this.#saving;
    this.#save({ cursors: [move] });
    this.#enforceQuota();
  }

  #enforceQuota(): void {
    const { sink, quota, full } = this.#parts;
    const step = this.#outbox.enforce();
    if (step) this.#save(step);
    if (this.#outbox.full) {
      const policy =
        quota.whenFull === 'drop-oldest' ? 'the oldest records give way' : 'newer records are not taken';
      full.raise(sink.id, `has as much waiting as buffer.maxBytes allows, ${policy}`);
    } else {
      full.clear(sink.id);
    }
  }

  /**
   * Stores in order. A move that could not be stored goes along with the next; should there be none, it costs repeats
   * (with the same ids) after a restart.
   */
  #save(transaction: Transaction): void {
    this.#saving = this.#saving.then(() => this.#store(transaction));
  }

  async #store(transaction: Transaction): Promise<void> {
    const { sink, store, log } = this.#parts;
    for (const move of transaction.cursors ?? []) this.#unsaved.set(move.stream, move);
    const cursors = [...this.#unsaved.values()];
    this.#unsaved.clear();
    try {
      await store.commit({ ...transaction, cursors });
    } catch (error) {
      for (const move of cursors) this.#unsaved.set(move.stream, move);
      log.warn(
        { sink: sink.id, error: (error as Error).message },
        `upstream: the place of ${sink.id} could not be stored, it goes along with the next`,
      );
    }
  }
}

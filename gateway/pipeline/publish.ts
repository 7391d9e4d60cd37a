import { publishConsumer } from '../config/names.ts';
import { asGatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Outbound, Publisher } from '../ports/publisher.ts';
import type { JournalRecord, JournalStream, Store } from '../store/types.ts';
import type { Condition } from '../stream/condition.ts';
import { Backoff, LOCAL } from '../system/backoff.ts';
import { pause } from './commit.ts';
import { Wake } from './wake.ts';

/** Results, and characters of them, per hand-over to the broker. */
const BATCH = 1024;
const BATCH_CHARACTERS = 512 * 1024;
/** Batches published and not yet passed by the cursor: together no more than half of what the broker buffers for a client. */
const BATCHES_AHEAD = 4;

export interface ResultPublisherOptions {
  readonly pipeline: string;
  readonly gateway: string;
  readonly store: Store;
  readonly results: JournalStream<string>;
  readonly publisher: Publisher;
  /** Captures: {device} {pipeline} {gateway}. */
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly when: Condition | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Publishes a pipeline's results to local clients: a consumer with its own cursor on the result stream, so that a
 * slow or absent broker holds no pipeline back. Delivery guarantee: at least once, in order, each with its stable id.
 */
export class ResultPublisher {
  readonly counters = { published: 0, filtered: 0, failures: 0 };
  readonly #options: ResultPublisherOptions;
  readonly #name: string;
  readonly #wake = new Wake();
  readonly #abort = new AbortController();
  readonly #topics = new Map<string, string>();
  #loop: Promise<void> | undefined;
  /** Newest result published, the batches that the cursor has still to pass, and its way there. */
  #published = 0;
  #ahead = 0;
  #moving: Promise<void> | undefined;
  #endCommits: (() => void) | undefined;

  constructor(options: ResultPublisherOptions) {
    this.#options = options;
    this.#name = publishConsumer(options.pipeline);
  }

  start(): void {
    const { store, results } = this.#options;
    const cursor = store.consumer(this.#name, results.name, 'oldest');
    this.#endCommits = results.onCommit(() => this.#wake.ring());
    this.#loop = this.#run(cursor.seq);
  }

  /** Gives up what is under way; it is published again after the next start. Idempotent. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake.ring();
    await this.#loop;
    await this.#moving;
    if (this.#ahead > 0) await this.#moveCursor(this.#published);
    this.#endCommits?.();
    this.#endCommits = undefined;
  }

  async #run(from: number): Promise<void> {
    const { results } = this.#options;
    let after = from;
    const backoff = new Backoff(LOCAL);
    while (!this.#abort.signal.aborted) {
      try {
        const { head } = results;
        const records = after < head ? fitting(await results.read(after, BATCH)) : [];
        if (records.length === 0 && after >= head) {
          await this.#wake.sleep();
          continue;
        }
        if (!(await this.#publish(records))) return;
        after = records.at(-1)?.seq ?? head;
        this.#published = after;
        this.#ahead++;
        this.#moving ??= this.#follow();
        // The cursor follows while more is published, but not too far behind, lest clients be flooded.
        while (this.#ahead >= BATCHES_AHEAD && !this.#abort.signal.aborted) await this.#moving;
        backoff.reset();
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        await this.#retryIn(backoff.next(), error, 'publish');
      }
    }
  }

  /** Brings the cursor to where publishing is, whatever comes meanwhile in one step. */
  async #follow(): Promise<void> {
    const batches = this.#ahead;
    await this.#moveCursor(this.#published);
    this.#ahead -= batches;
    this.#moving = this.#ahead > 0 && !this.#abort.signal.aborted ? this.#follow() : undefined;
  }

  /** Rejects never; stopped before it worked, the batches are published again after the next start. */
  async #moveCursor(seq: number): Promise<void> {
    const { results, store } = this.#options;
    for (const backoff = new Backoff(LOCAL); ; ) {
      try {
        await store.commit({ cursors: [{ consumer: this.#name, stream: results.name, seq }] });
        return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        await this.#retryIn(backoff.next(), error, 'move its cursor');
      }
    }
  }

  /** False when stopped before the broker answered: the cursor stays. */
  async #publish(records: readonly JournalRecord<string>[]): Promise<boolean> {
    const messages: Outbound[] = [];
    for (const record of records) {
      if (this.#passes(record.value)) messages.push(this.#message(record));
      else this.counters.filtered++;
    }
    if (messages.length === 0) return true;
    const done = await unlessAborted(this.#options.publisher.publish(messages), this.#abort.signal);
    if (done) this.counters.published += messages.length;
    return done;
  }

  async #retryIn(delay: number, error: unknown, what: string): Promise<void> {
    const { clock, log } = this.#options;
    const { code, message } = asGatewayError(error);
    this.counters.failures++;
    log.warn({ code, retryMs: delay }, `${this.#name}: could not ${what} (${message}), trying again`);
    await pause(clock, delay, this.#abort.signal);
  }

  #passes(json: string): boolean {
    const { when } = this.#options;
    if (when === undefined) return true;
    const document = JSON.parse(json) as { outputs: Record<string, unknown> };
    return when(document.outputs, document as unknown as Record<string, unknown>);
  }

  #message({ device, value }: JournalRecord<string>): Outbound {
    const { qos, retain } = this.#options;
    return { topic: this.#topic(device), payload: value, qos, retain };
  }

  // Bounded by the result stream's limit on devices.
  #topic(device: string): string {
    let topic = this.#topics.get(device);
    if (topic === undefined) {
      const { topic: template, pipeline, gateway } = this.#options;
      const captures: Record<string, string> = { device: topicLevel(device), pipeline, gateway };
      topic = template.replace(/\{(\w+)\}/g, (text, name: string) => captures[name] ?? text);
      this.#topics.set(device, topic);
    }
    return topic;
  }
}

/** A device name as part of a topic: without what only filters may hold [MQTT-3.3.2-2], and without NUL. */
function topicLevel(device: string): string {
  return device.replace(/[+#\0]/g, '_');
}

/** The first of `records`, at least one, that together are no longer than a batch may be. */
function fitting(records: readonly JournalRecord<string>[]): readonly JournalRecord<string>[] {
  let characters = 0;
  for (let i = 0; i < records.length; i++) {
    characters += records[i]!.value.length;
    if (characters > BATCH_CHARACTERS) return records.slice(0, Math.max(1, i));
  }
  return records;
}

/** Whether `work` was done before `signal` was aborted. Leaves no listener behind. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => resolve(false);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted);
    work.then(() => resolve(true), reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}

import type { HostProcess } from './host-process.ts';
import type { Model } from './model.ts';
import type { Segment } from './work.ts';

/** What one request to a host holds. */
export interface Batch {
  readonly model: Model;
  readonly segments: readonly Segment[];
  readonly bytes: number;
  /** About how long it takes, microseconds. */
  readonly micros: number;
  /** Set when it is one suspect with nothing beside it: how much speaks against it already. */
  readonly suspicion?: number;
}

/** A host and what it has been asked. */
export class Lane {
  readonly host: HostProcess;
  readonly models: ReadonlySet<Model>;
  /**
   * Oldest first, the order of the replies. An array and not a Map: the tables that a busy Map leaves behind keep its
   * old entries alive until the next full collection.
   */
  readonly batches: Batch[] = [];
  bytes = 0;
  /** About how long everything in it takes, microseconds. */
  micros = 0;
  /** It has been filled with small batches, and half of them are not done. */
  filled = false;
  #onEmpty: (() => void) | null = null;

  constructor(host: HostProcess, models: ReadonlySet<Model>) {
    this.host = host;
    this.models = models;
  }

  add(batch: Batch): void {
    this.batches.push(batch);
    this.bytes += batch.bytes;
    this.micros += batch.micros;
  }

  /** Takes out the oldest, which has been answered. */
  removeFirst(): void {
    const batch = this.batches.shift();
    if (!batch) return;
    this.bytes -= batch.bytes;
    this.micros -= batch.micros;
    if (this.batches.length === 0) this.#onEmpty?.();
  }

  /** Whether a suspect is running here. */
  get alone(): boolean {
    return this.batches[0]?.suspicion !== undefined;
  }

  /** Empties it and returns what was in it. */
  takeAll(): Batch[] {
    this.bytes = 0;
    this.micros = 0;
    const batches = this.batches.splice(0);
    this.#onEmpty?.();
    return batches;
  }

  /** Resolves when everything it was asked is answered or taken back. */
  empty(): Promise<void> {
    if (this.batches.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}

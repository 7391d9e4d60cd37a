import type { HostProcess } from './host-process.ts';
import type { Model, Segment } from './submission.ts';

/** What one request to a host holds. */
export interface Batch {
  readonly model: Model;
  readonly segments: readonly Segment[];
  readonly bytes: number;
  /** Set when it is one suspect with nothing beside it: how much speaks against it already. */
  readonly suspicion?: number;
}

/** A host and what it has been asked. */
export class Lane {
  readonly host: HostProcess;
  readonly models: ReadonlySet<Model>;
  /** By request id. */
  readonly batches = new Map<number, Batch>();
  bytes = 0;
  #onEmpty: (() => void) | null = null;

  constructor(host: HostProcess, models: ReadonlySet<Model>) {
    this.host = host;
    this.models = models;
  }

  add(id: number, batch: Batch): void {
    this.batches.set(id, batch);
    this.bytes += batch.bytes;
  }

  remove(id: number, batch: Batch): void {
    this.batches.delete(id);
    this.bytes -= batch.bytes;
    if (this.batches.size === 0) this.#onEmpty?.();
  }

  /** Whether a suspect is running here. */
  get alone(): boolean {
    if (this.batches.size !== 1) return false;
    const [batch] = this.batches.values();
    return batch?.suspicion !== undefined;
  }

  /** Empties it and returns what was in it. */
  takeAll(): Batch[] {
    const batches = [...this.batches.values()];
    this.batches.clear();
    this.bytes = 0;
    this.#onEmpty?.();
    return batches;
  }

  /** Resolves when everything it was asked is answered or taken back. */
  empty(): Promise<void> {
    if (this.batches.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }
}

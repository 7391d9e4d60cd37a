import type { ModuleOp, Store } from '../../gateway/store/types.ts';
import type { Change } from './changes.ts';

/** The part of the store that the broker's own state needs. */
export type StateStore = Pick<Store, 'commit' | 'query'>;

type Done = (error: Error | null) => void;

interface Batch {
  readonly changes: readonly Change[];
  readonly waiting: Done[];
}

/** Changes that somebody else stores. */
interface Captured {
  readonly ops: readonly ModuleOp[];
  /** To be called once they are stored, or known not to be. */
  settle(): void;
}

const opsOf = ({ changes }: Batch): ModuleOp[] =>
  changes.length === 0 ? [] : [{ op: 'mqtt.apply', args: changes }];

/** Changes kept for another attempt while the store refuses them; beyond this the oldest are given up and counted. */
const MAX_KEPT = 20_000;

/**
 * Brings changes of broker state to the store in order: those of one tick go as one operation, so they share the group
 * commit (and its fsync) with the journal records of the same tick. Changes that could not be written stand in line
 * in front of the next ones, so memory and disk agree again as soon as the store takes writes.
 */
export class StateLog {
  readonly #store: StateStore;
  readonly #onFault: Done;
  #changes: Change[] = [];
  #waiting: Done[] = [];
  #scheduled = false;
  #lost = 0;
  readonly #inFlight: Batch[] = [];
  #idle: (() => void)[] = [];

  /** @param onFault told of each commit that failed, and with null of each that worked */
  constructor(store: StateStore, onFault: Done) {
    this.#store = store;
    this.#onFault = onFault;
  }

  /** Changes given up because the store refused writes for too long. */
  get lost(): number {
    return this.#lost;
  }

  add(change: Change): void {
    this.#changes.push(change);
    this.#schedule();
  }

  /** Calls `done` when all changes added so far are durable, or with the error why they are not. */
  whenDurable(done: Done): void {
    this.#waiting.push(done);
    this.#schedule();
  }

  durable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.whenDurable((error) => (error ? reject(error) : resolve()));
    });
  }

  /** Resolves when nothing is on its way to the store. */
  idle(): Promise<void> {
    if (!this.#scheduled && this.#inFlight.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /**
   * Runs `work` and hands out the changes it makes, for the caller to store in one transaction with something of its
   * own. Until `settle` they count as on their way, so that nothing older is written over them; those that were not
   * stored are not tried again.
   */
  capture(work: () => void): Captured {
    if (this.#changes.length > 0 || this.#waiting.length > 0) this.#flush();
    work();
    const batch: Batch = { changes: this.#changes, waiting: [] };
    this.#changes = [];
    this.#inFlight.push(batch);
    return {
      ops: opsOf(batch),
      // After the answers to all that went to the store before it.
      settle: () => queueMicrotask(() => this.#remove(batch)),
    };
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#changes.length === 0 && this.#waiting.length === 0) {
      this.#wakeIfIdle();
      return;
    }
    const batch: Batch = { changes: this.#changes, waiting: this.#waiting };
    this.#changes = [];
    this.#waiting = [];
    this.#inFlight.push(batch);
    this.#store.commit({ ops: opsOf(batch) }).then(
      () => this.#settle(batch, null),
      (reason: unknown) => {
        const error = reason instanceof Error ? reason : new Error(String(reason));
        this.#keep(batch);
        this.#settle(batch, error);
      },
    );
  }

  #settle(batch: Batch, error: Error | null): void {
    this.#onFault(error);
    for (const done of batch.waiting) done(error);
    this.#remove(batch);
  }

  #remove(batch: Batch): void {
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    this.#wakeIfIdle();
  }

  #wakeIfIdle(): void {
    if (this.#scheduled || this.#inFlight.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /**
   * They go out with the next change, not at once: a store that is full would only refuse them again. What a later
   * batch has changed since must not be overwritten with what came before it.
   */
  #keep(failed: Batch): void {
    const superseded = new Set<string>();
    for (const batch of this.#inFlight.slice(this.#inFlight.indexOf(failed) + 1))
      for (const change of batch.changes) superseded.add(keyOf(change));
    for (const change of this.#changes) superseded.add(keyOf(change));
    const again = failed.changes.filter(
      (change) =>
        !superseded.has(keyOf(change)) && !('client' in change && superseded.has(endKey(change.client))),
    );
    this.#changes = [...again, ...this.#changes];
    const excess = this.#changes.length - MAX_KEPT;
    if (excess <= 0) return;
    this.#lost += excess;
    this.#changes.splice(0, excess);
  }
}

const endKey = (client: string): string => JSON.stringify(['end', client]);

/** What a change is about: two changes with one key overwrite each other. */
function keyOf(change: Change): string {
  switch (change.kind) {
    case 'end':
      return endKey(change.client);
    case 'session':
    case 'will':
      return JSON.stringify([change.kind, change.client]);
    case 'subscribe':
    case 'unsubscribe':
      return JSON.stringify(['subscription', change.client, change.filter]);
    case 'message':
    case 'forget':
      return JSON.stringify(['message', change.id]);
    case 'queue':
    case 'sent':
    case 'done':
      return JSON.stringify(['queue', change.client, change.id]);
    case 'retain':
      return JSON.stringify(['retain', change.topic]);
    case 'incoming':
      return JSON.stringify(['incoming', change.client, change.packet]);
  }
}

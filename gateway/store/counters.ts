import type { LoadedState } from './protocol.ts';
import type { StoreHealth } from './types.ts';

/** The figures behind {@link StoreHealth}. */
export class StoreCounters {
  damagedRecords = 0;
  fileBytes = 0;
  /** When the newest group went to the writer thread (monotonic, ms). */
  sentAt = 0;
  #commits = 0;
  #records = 0;
  #lastCommitMs = 0;
  #quarantined: readonly string[] = [];

  load(state: LoadedState): void {
    this.damagedRecords = state.damagedRecords;
    this.fileBytes = state.fileBytes;
    this.#quarantined = state.quarantined;
  }

  committed(records: number, ms: number): void {
    this.#commits++;
    this.#records += records;
    this.#lastCommitMs = ms;
  }

  /** @param now monotonic, ms, when the newest group is still there */
  health(full: boolean, now: number | undefined): StoreHealth {
    return {
      full,
      commits: this.#commits,
      lastCommitMs: this.#lastCommitMs,
      commitWaitMs: now === undefined ? 0 : now - this.sentAt,
      recordsPerCommit: this.#commits === 0 ? 0 : this.#records / this.#commits,
      damagedRecords: this.damagedRecords,
      quarantined: this.#quarantined,
      fileBytes: this.fileBytes,
    };
  }
}

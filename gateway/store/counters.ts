import type { LoadedState } from './protocol.ts';
import type { StoreHealth } from './types.ts';

/** The figures behind {@link StoreHealth}. */
export class StoreCounters {
  damagedRecords = 0;
  fileBytes = 0;
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

  health(full: boolean): StoreHealth {
    return {
      full,
      commits: this.#commits,
      lastCommitMs: this.#lastCommitMs,
      recordsPerCommit: this.#commits === 0 ? 0 : this.#records / this.#commits,
      damagedRecords: this.damagedRecords,
      quarantined: this.#quarantined,
      fileBytes: this.fileBytes,
    };
  }
}

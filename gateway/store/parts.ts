import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** What a store is made of. */
export interface StoreParts {
  /** Folder of the database; made when absent. */
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  /** Rhythm in which small commits that come often gather (ms); default 0: each goes at once. */
  readonly gatherMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Files that export a `storeModule`, see {@link StoreModule}; loaded by the writer thread. */
  readonly modules: readonly URL[];
  /** Bytes of recently committed records kept in memory, over all streams. */
  readonly tailBytes?: number;
}

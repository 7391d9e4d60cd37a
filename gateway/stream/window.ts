import type { ReadingValue } from '../ports/reading.ts';
import type { JournalRecord } from '../store/types.ts';
import type { Downtimes } from './downtime.ts';

/** A reading as the journal placed it. */
export type Reading = JournalRecord<ReadingValue>;

/** A complete window on its way to a model. */
export interface ClosedWindow {
  /** What the window is kept per: the device, or one key for all. */
  readonly key: string;
  /** With `ordinal` the identity of the window: the same however and whenever it was closed. Ms since the epoch. */
  readonly time: number;
  readonly ordinal: number;
  /** Arrival of the reading that closed it, or the time it was closed by the clock. Not part of its identity. */
  readonly arrival: number;
  /** Row-major `rows × columns`. Owned by the receiver. */
  readonly values: Float64Array;
  readonly rows: number;
}

export type WindowSink = (window: ClosedWindow) => void;

/** Counters of a processor. They start at 0 with the process. */
export interface WindowCounters {
  /** Readings whose windows were all closed when they came. */
  late: number;
  /** Readings without a number for each column. */
  unusable: number;
  /** Readings of further keys than the limit allows, or above the readings one key may hold. */
  overflow: number;
}

/** State that a consumer can save and restore, row by row. */
export interface KeyedState {
  /** Keys held. */
  readonly keys: number;
  /** About how large a full snapshot would be. */
  readonly stateBytes: number;
  /** Hands out the rows of keys that changed since the last call. */
  snapshot(row: (key: string, bytes: Uint8Array) => void): void;
  /** Takes a row back; throws RangeError when it is damaged. Only before the first reading. */
  restore(key: string, bytes: Uint8Array): void;
}

/**
 * Groups readings into windows. A pure function of the readings in order: what a window holds and its identity never
 * depend on when it was closed. {@link advance} only closes earlier what the next reading would close.
 */
export interface Windower extends KeyedState {
  readonly counters: WindowCounters;
  /** When the gateway itself was away: not counted as silence of a device. */
  readonly downtime: Downtimes;
  /** Whether silence of a key closes something, so that downtime matters. */
  readonly tracksSilence: boolean;
  feed(key: string, reading: Reading): void;
  /**
   * Closes what time alone closes at `now` (arrival time; no reading with an earlier arrival may come after it), for
   * at most `maxKeys` keys in a reproducible order. Returns how many keys were closed.
   */
  advance(now: number, maxKeys: number): number;
  /** Arrival time from which {@link advance} may have something to close; Infinity when nothing waits. */
  nextDeadline(): number;
}

/** Bounds of a windower. */
export interface WindowLimits {
  readonly maxKeys: number;
  /** Most readings one key holds; the oldest give way. */
  readonly maxReadings: number;
  /** Most numbers one key holds: readings may be long frames. */
  readonly maxValues: number;
}

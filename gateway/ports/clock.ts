/** Time as a parameter, so that tests are deterministic and a wrong wall clock cannot break a timer. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary origin. Never jumps. */
  monotonic(): number;
  /** Whether the wall clock is believed: false at boot-at-1970 or years from the last known time. */
  synced(): boolean;
  /** Calls `task` after `ms` (monotonic). The timer never keeps the process alive. Returns the cancel function. */
  after(ms: number, task: () => void): () => void;
}

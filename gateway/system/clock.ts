import type { Clock } from '../ports/clock.ts';

/** No release of this software is older: a wall clock before this is a board that booted without a time source. */
const EARLIEST_PLAUSIBLE = Date.UTC(2026, 0, 1);
/** A jump ahead of the last known time by more than this is not believed. */
const LATEST_STEP_MS = 5 * 365 * 86_400_000;

/**
 * The machine's clocks.
 * @param lastKnown wall-clock time (ms) up to which the gateway is known to have run, 0 when unknown
 */
export function systemClock(lastKnown = 0): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    synced() {
      const now = Date.now();
      if (now < EARLIEST_PLAUSIBLE || now < lastKnown - 3_600_000) return false;
      return lastKnown === 0 || now < lastKnown + LATEST_STEP_MS;
    },
    after(ms, task) {
      const timer = setTimeout(task, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

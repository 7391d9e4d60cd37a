import type { Clock } from '../ports/clock.ts';

/** No release of this software is older: a wall clock before this is a board that booted without a time source. */
const EARLIEST_PLAUSIBLE = Date.UTC(2026, 0, 1);
/** A jump ahead of the last known time by more than this is not believed. */
const LATEST_STEP_MS = 5 * 365 * 86_400_000;
/** How far behind the last known time the clock may be: a correction, not a board that lost its time. */
const EARLIEST_STEP_MS = 3_600_000;

/** Up to when (wall clock, ms) the gateway is known to have run; 0 when unknown. */
export interface KnownTime {
  value: number;
}

/** The machine's clocks; the wall clock is believed while it fits what is `known`. */
export function systemClock(known: Readonly<KnownTime> = { value: 0 }): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    synced: () => plausible(Date.now(), known.value),
    after(ms, task) {
      const timer = setTimeout(task, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

/** Whether a wall clock can be right that reads `now`, given when the gateway was last known to run. */
export function plausible(now: number, known: number): boolean {
  if (now < EARLIEST_PLAUSIBLE || now < known - EARLIEST_STEP_MS) return false;
  return known === 0 || now < known + LATEST_STEP_MS;
}

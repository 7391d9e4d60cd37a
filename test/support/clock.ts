import type { Clock } from '../../gateway/ports/clock.ts';

export interface ManualClock extends Clock {
  /** Moves both clocks on and runs the timers that come due, in order. */
  advance(ms: number): void;
  /** Sets the wall clock alone, as an operator or NTP would. */
  set(now: number): void;
  setSynced(synced: boolean): void;
}

/** A clock that moves only when told. */
export function manualClock(start = Date.UTC(2026, 5, 1)): ManualClock {
  let wall = start;
  let mono = 0;
  let synced = true;
  const timers = new Set<{ at: number; task: () => void }>();
  return {
    now: () => wall,
    monotonic: () => mono,
    synced: () => synced,
    after(ms, task) {
      const timer = { at: mono + ms, task };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const end = mono + ms;
      for (;;) {
        const next = [...timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        wall += next.at - mono;
        mono = next.at;
        next.task();
      }
      wall += end - mono;
      mono = end;
    },
    set(now) {
      wall = now;
    },
    setSynced(value) {
      synced = value;
    },
  };
}

import { readFileSync } from 'node:fs';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { KnownTime } from './clock.ts';
import { writeFileAtomic } from './files.ts';
import type { Part } from './lifecycle.ts';

/** Between looks at the clock, ms. */
const LOOK_MS = 60_000;
/** Between writes, ms: an hour is what the clock may be behind anyway, and flash wears. */
const WRITE_MS = 1_800_000;

/**
 * Keeps in `file`, across restarts, up to when the gateway has run with a believed clock, so that a board that comes up
 * in 1970 or decades ahead is noticed. What a clock that is not believed says is never kept.
 */
export function createTimeKeeper(parts: {
  file: string;
  known: KnownTime;
  clock: Clock;
  log: Log;
  alarms: Alarms;
}): Part {
  const { file, known, clock, log, alarms } = parts;
  let written = 0;
  let cancel: (() => void) | undefined;

  const write = (): void => {
    try {
      writeFileAtomic(file, `${known.value}\n`);
      written = known.value;
    } catch (error) {
      log.warn({ file, error: String(error) }, 'clock: the last known time could not be kept, trying again');
    }
  };
  const look = (): void => {
    if (!clock.synced()) {
      alarms.raise({
        kind: 'clock-unsynced',
        severity: 'warning',
        message: `the time of this machine is not believed: ${new Date(clock.now()).toISOString()}`,
        fix: `Give it a time source (NTP, RTC). If the time is right after all, delete ${file} and restart.`,
        detail: { lastKnown: known.value },
      });
      return;
    }
    alarms.clear('clock-unsynced');
    known.value = clock.now();
    if (Math.abs(known.value - written) >= WRITE_MS) write();
  };
  const again = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      look();
      again();
    });
  };
  return {
    name: 'known time',
    async start() {
      known.value = read(file);
      look();
      again();
    },
    async stop() {
      if (cancel === undefined) return;
      cancel();
      cancel = undefined;
      look();
      if (known.value !== written && clock.synced()) write();
    },
  };
}

/** 0 when there is no such file or nothing usable in it. */
function read(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return 0;
  }
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}

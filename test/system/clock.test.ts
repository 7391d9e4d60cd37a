import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plausible } from '../../gateway/system/clock.ts';
import { createTimeKeeper } from '../../gateway/system/known-time.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

describe('the wall clock', () => {
  it('is believed while it fits what is known', () => {
    expect([plausible(NOW, 0), plausible(5_000, 0), plausible(NOW + 10 * YEAR, 0)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(plausible(NOW - HOUR, NOW)).toBe(true);
    expect(plausible(NOW - 2 * HOUR, NOW)).toBe(false);
    expect(plausible(NOW + 3 * YEAR, NOW)).toBe(true);
    expect(plausible(NOW + 10 * YEAR, NOW)).toBe(false);
  });
});

describe('the last known time', () => {
  /** One run of a gateway whose clock stands at `now`; believes it as the system's clock would. */
  async function run(file: string, now: number, ms: number) {
    const known = { value: 0 };
    const inner = manualClock(now);
    const clock = { ...inner, synced: () => plausible(inner.now(), known.value) };
    const alarms = recordingAlarms();
    const keeper = createTimeKeeper({ file, known, clock, log: recordingLog(), alarms });
    await keeper.start(new AbortController().signal);
    inner.advance(ms);
    const synced = clock.synced();
    const alarmed = alarms.active().map(({ kind }) => kind);
    await keeper.stop();
    await keeper.stop();
    return { synced, alarmed };
  }

  it('survives restarts, and what is not believed does not change it', async () => {
    const file = join(temporaryFolder(), 'last-known-time');
    expect(await run(file, 5_000, HOUR)).toEqual({ synced: false, alarmed: ['clock-unsynced'] });
    expect(existsSync(file)).toBe(false);
    expect(await run(file, NOW, 24 * HOUR)).toEqual({ synced: true, alarmed: [] });
    expect(await run(file, NOW + 10 * YEAR, HOUR)).toMatchObject({ synced: false });
    expect(await run(file, 5_000, HOUR)).toMatchObject({ synced: false });
    expect(await run(file, NOW + 23.5 * HOUR, HOUR)).toEqual({ synced: true, alarmed: [] });
    expect(await run(file, NOW + 20 * HOUR, HOUR)).toMatchObject({ synced: false });
  });

  it('is unknown when its file is damaged', async () => {
    const file = join(temporaryFolder(), 'last-known-time');
    writeFileSync(file, 'soon');
    expect(await run(file, NOW, HOUR)).toMatchObject({ synced: true });
  });
});

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Linux counts the most memory a process ever had resident anew when this is written here. */
const CLEAR = { file: '/proc/self/clear_refs', what: '5' } as const;
const countable = existsSync(CLEAR.file);

/** From now on {@link peakBytes} is about what comes. */
export function forgetPeak(): void {
  if (countable) writeFileSync(CLEAR.file, CLEAR.what);
}

/** The most bytes this process had resident since {@link forgetPeak}; what it has now where the system does not tell. */
export function peakBytes(): number {
  if (!countable) return process.memoryUsage.rss();
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return peak ? Number(peak[1]) * 1024 : process.memoryUsage.rss();
}

import { readFileSync, writeFileSync } from 'node:fs';

/** CPU time and memory of a process, from Linux' /proc (proc(5)). */
export interface ProcessUse {
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  /** Highest resident bytes since {@link startMeter}. */
  readonly peakRssBytes: number;
}

/** Ticks per second of /proc: 100 on every Linux there is (sysconf(_SC_CLK_TCK)). */
const TICKS = 100;

/**
 * Begins to measure a process; the function answers what it used since. Undefined where there is no /proc, or when the
 * process is gone.
 */
export function startMeter(pid: number): () => ProcessUse | undefined {
  forgetPeak(pid);
  const before = cpuSeconds(pid);
  return () => {
    const now = cpuSeconds(pid);
    const peakRssBytes = peakRss(pid);
    if (before === undefined || now === undefined || peakRssBytes === undefined) return undefined;
    return { cpuSeconds: Number((now - before).toFixed(2)), peakRssBytes };
  };
}

function cpuSeconds(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The name of the program stands in brackets and may hold anything; fields 14 and 15 are user and system time.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function peakRss(pid: number): number | undefined {
  const kib = read(`/proc/${pid}/status`)?.match(/^VmHWM:\s+(\d+) kB/m)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Resets the high-water mark, so that it tells of this scenario and not of an earlier one. */
function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Not allowed in some containers: the peak is then that of the whole run, which is never too low.
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // another system, or the process has ended
  }
}

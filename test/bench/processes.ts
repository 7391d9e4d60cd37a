/** What Linux tells of a process and its children. */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second of /proc/<pid>/stat. */
const TICKS = 100;

function statOf(pid: number): string[] {
  // The name in parentheses may hold anything; after it come the fields from `state` (3) on.
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}

/** User and system time of all threads, in microseconds. */
export function cpuMicroseconds(pid: number): number {
  const fields = statOf(pid);
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
}

/** What all cores together have spent on anything but waiting, in microseconds. */
export function machineMicroseconds(): number {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return ((user! + nice! + system! + irq! + softirq!) / TICKS) * 1e6;
}

/** The same, thread by thread, with the names of the threads. */
export function cpuByThread(pid: number): Record<string, number> {
  const shares: Record<string, number> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    const name = /\((.*)\)/s.exec(text)?.[1] ?? thread;
    const fields = text.replace(/^.*\) /s, '').split(' ');
    shares[`${name}/${thread}`] = ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
  }
  return shares;
}

/** A process and all below it. */
export function family(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(family)];
}

/** Resident memory in MiB: of the process alone, with pages that it shares with others counted in full. */
export function residentMiB(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS') / 1024;
}

/** The most it ever had. */
export function peakMiB(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM') / 1024;
}

/** The same with shared pages divided among those who share them. */
export function proportionalMiB(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') / 1024;
}

const kilobytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);

/** Bytes it has handed to block devices. */
export function bytesWritten(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? Number.NaN);
}

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** What a report says of the machine it was made on. */
export interface Machine {
  /** Of the board: `Raspberry Pi 5 Model B Rev 1.0`. */
  readonly board: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Frequency governor of the first core; `unknown` where the kernel does not say. */
  readonly governor: string;
  /** Load average over the last minute at the beginning: a busy machine measures low. */
  readonly load: number;
}

export function thisMachine(): Machine {
  return {
    board: text('/proc/device-tree/model') ?? text('/sys/class/dmi/id/product_name') ?? 'unknown',
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    governor: text('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'unknown',
    load: Number(loadavg()[0]!.toFixed(2)),
  };
}

function text(file: string): string | undefined {
  try {
    const value = readFileSync(file, 'utf8').replaceAll('\0', '').trim();
    return value === '' ? undefined : value;
  } catch {
    return undefined; // this kind of machine does not have it
  }
}

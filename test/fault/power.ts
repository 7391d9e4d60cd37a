/**
 * Promise 1: cuts the power at random instants while devices publish with QoS 1, and looks at what the upstream has in
 * the end.
 *
 *     node test/fault/power.ts --cuts 50 --seed 1 --rate 1500
 *
 * The data folder is a file system of its own (FUSE, in memory; needs root) that knows what was synced. At a cut the
 * core is gone, and of all that it wrote after the last sync of each file the disk has nothing, all, or any part in any
 * order, down to single sectors of 512 bytes; created, renamed and removed names are kept up to some instant. Passes when every
 * acknowledged reading is upstream exactly once by id, in order per device, each result too, `audit` holds, and each start after a
 * cut succeeded by itself.
 */
import { mkdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { numbers } from './arguments.ts';
import { type Ender, holds, type KillReport, killTest } from './kill.ts';
import { mountPowerFolder } from './power/folder.ts';

export interface PowerOptions {
  readonly cuts: number;
  readonly seed: number;
  /** Messages a second over all devices. */
  readonly rate: number;
  readonly devices: number;
  /** Most milliseconds between being ready and the cut. */
  readonly life: number;
}

export interface PowerReport extends KillReport {
  /** Writes, and their bytes, that were not synced when the power went, over all cuts. */
  readonly unsyncedWrites: number;
  readonly unsyncedBytes: number;
  readonly unsyncedNames: number;
}

export async function powerTest(options: PowerOptions, tell: (line: string) => void): Promise<PowerReport> {
  const unsynced = { unsyncedWrites: 0, unsyncedBytes: 0, unsyncedNames: 0 };
  const enderFor = async (dataDir: string): Promise<Ender> => {
    mkdirSync(dataDir, { recursive: true });
    const power = await mountPowerFolder(dataDir, options.seed);
    return {
      async end(gateway: GatewayProcess) {
        await power.freeze();
        const gone = gateway.kill();
        await power.release();
        await gone;
        const { writes, bytes, names } = await power.restore();
        unsynced.unsyncedWrites += writes;
        unsynced.unsyncedBytes += bytes;
        unsynced.unsyncedNames += names;
      },
      close: () => power.close(),
    };
  };
  const report = await killTest({ ...options, kills: options.cuts, host: 0 }, tell, enderFor);
  return { ...report, ...unsynced };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ cuts: 50, seed: 1, rate: 1500, devices: 10, life: 1500 });
  console.log(JSON.stringify(options));
  const report = await powerTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  console.log(holds(report) ? 'passed' : 'FAILED');
  process.exit(holds(report) ? 0 : 1);
}

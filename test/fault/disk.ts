/**
 * Promise 5 on a real gateway process: a full disk, flipped bits and truncated files.
 *
 *     node test/fault/disk.ts --flips 50 --cuts 50 --seed 1
 *
 * A full disk needs root (it mounts a file system of 8 MB); without it that part is left out, and told. Passes when the
 * gateway never ends and always starts by itself, loses nothing acknowledged with `reject-new` and counts what it gives
 * up with `drop-oldest`, takes readings again within 10 s of space returning, loses at most one record to a flipped bit
 * in journal data, puts damaged files aside, and `audit` holds throughout.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { numbers } from './arguments.ts';
import { damageHolds, damageTest } from './damage.ts';
import { canMount, fullDiskHolds, fullDiskTest } from './full-disk.ts';

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ flips: 50, cuts: 50, seed: 1, rate: 1500 });
  console.log(JSON.stringify(options));
  const folder = mkdtempSync(join(tmpdir(), 'aimx-disk-'));
  let passed = true;
  if (canMount(folder)) {
    for (const whenFull of ['reject-new', 'drop-oldest'] as const) {
      const report = await fullDiskTest({ whenFull, rate: options.rate });
      console.log(JSON.stringify(report, null, 2));
      passed &&= fullDiskHolds(report);
    }
  } else console.log('left out: a full disk needs the right to mount one (root)');
  const report = await damageTest(options, console.log);
  console.log(JSON.stringify(report, null, 2));
  passed &&= damageHolds(report);
  rmSync(folder, { recursive: true, force: true });
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}

import { rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import { manualClock } from '../support/clock.ts';
import { moduleStore } from './harness.ts';
import { use } from './uses.ts';

/**
 * Prints what billing writes per inference: bytes of SQLite's log (one frame per page that a commit touches), and bytes
 * kept. A function of the statements alone, so the same on every machine.
 *
 *     node_modules/.bin/node test/billing/wear.ts
 */
const book = { ...NO_LEDGER, device: `0x${'11'.repeat(20)}` };
const MEASURED = 3_000;

async function measure(perCommit: number, devices: number): Promise<void> {
  const path = join(tmpdir(), `wear-${process.pid}.db`);
  const store = moduleStore(path);
  store.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0');
  const meter = new ChannelMeter({
    book,
    token: NO_LEDGER.address,
    tariff: DEFAULT_TARIFF,
    clock: manualClock(),
    coalesceAbove: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  let n = 0;
  const commit = (count: number) =>
    store.commit({
      ops: meter.charge(
        Array.from({ length: count }, () => {
          const requestId = `gw/anomaly/device-${++n % devices}/${1_780_000_000_000 + n}-${n}`;
          return use(n, { requestId });
        }),
      ),
    });
  for (let i = 0; i < 40; i++) await commit(500);
  store.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const kept = statSync(path).size;
  const commits = Math.ceil(MEASURED / perCommit);
  for (let i = 0; i < commits; i++) await commit(perCommit);
  const written = statSync(`${path}-wal`).size / (commits * perCommit);
  console.log(
    `${perCommit} per commit, ${devices} devices: ${Math.round(written)} bytes logged, ${Math.round(kept / 20_000)} kept per inference`,
  );
  store.db.close();
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
}

for (const [perCommit, devices] of [
  [1, 1],
  [1, 15],
  [15, 15],
  [100, 100],
] as const)
  await measure(perCommit, devices);

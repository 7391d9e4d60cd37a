import { existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { NO_LEDGER } from '../../../gateway/billing/formats/documents.ts';
import { ChannelMeter } from '../../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../../gateway/billing/metering/space.ts';
import { receiptTotals } from '../../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../../gateway/billing/tariff/tariff.ts';
import { moduleStore } from '../../billing/harness.ts';
import { use } from '../../billing/uses.ts';
import { manualClock } from '../../support/clock.ts';
import { percentile, type Row, whole } from './row.ts';

const RECEIPTS = 30_000;
/** Compilation and the first pages are paid for before it counts. */
const WARM_UP = 2_000;
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** Row 11: one receipt per commit, on a real database file, as an inference at a time makes them. */
export const meteringRow: Row = {
  number: 11,
  test: 'metering',
  target: '≥ 1,000 receipts/s, p99 ≤ 2 ms without the fsync',
  async run({ dir }) {
    const store = moduleStore(join(dir, 'gateway.db'));
    store.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    const book = { ...NO_LEDGER, chainId: 31337, device: `0x${'11'.repeat(20)}` };
    const meter = new ChannelMeter({
      book,
      token: NO_LEDGER.address,
      tariff: DEFAULT_TARIFF,
      clock: manualClock(),
      coalesceAbove: 1e9,
      maxBytes: DEFAULT_MAX_BYTES,
    });
    const waited = waitMeter();
    const [times, net]: [number[], number[]] = [[], []];
    for (let n = 1; n <= WARM_UP + RECEIPTS; n++) {
      const [before, began] = [waited(), performance.now()];
      await store.commit({ ops: meter.charge([use(n)]) });
      const took = performance.now() - began;
      if (n <= WARM_UP) continue;
      times.push(took);
      net.push(took - (waited() - before));
    }
    const [totals] = await receiptTotals(store);
    store.db.close();
    const rate = RECEIPTS / (times.reduce((sum, ms) => sum + ms, 0) / 1000);
    const p99 = percentile(net, 0.99);
    return {
      passed: rate >= 1000 && p99 <= 2 && totals?.receipts === WARM_UP + RECEIPTS,
      measured: `${whole(rate)} receipts/s one a commit, p50 ${percentile(times, 0.5).toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (${percentile(times, 0.99).toFixed(2)} ms with the time other programs had the CPU)`,
    };
  },
};

/** Milliseconds that this thread was ready to run and did not, because others did (Linux; elsewhere 0). */
function waitMeter(): () => number {
  if (!existsSync(SCHEDSTAT)) return () => 0;
  const file = openSync(SCHEDSTAT, 'r');
  const bytes = Buffer.alloc(128);
  return () => {
    const length = readSync(file, bytes, 0, bytes.length, 0);
    return Number(bytes.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  };
}

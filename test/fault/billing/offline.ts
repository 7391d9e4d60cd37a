import { statSync } from 'node:fs';
import { join } from 'node:path';
import { startDevChain } from '../../../adapters/devchain/index.ts';
import { createEvmChain } from '../../../adapters/evm/index.ts';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';
import type { BookKey } from '../../../gateway/billing/book-rows.ts';
import { keccak, toHex } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../../gateway/billing/metering/meter.ts';
import { Poster } from '../../../gateway/billing/posting/poster.ts';
import { receiptTotals } from '../../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../../gateway/billing/tariff/tariff.ts';
import { moduleStore } from '../../billing/harness.ts';
import { use } from '../../billing/uses.ts';
import { manualClock } from '../../support/clock.ts';
import { recordingLog } from '../../support/log.ts';
import { type Row, whole } from './row.ts';

const SECONDS = 7 * 86_400;
const MIB = 1024 * 1024;
const RULES = {
  maxReceipts: 10_000,
  maxAgeMs: 86_400_000,
  idleMs: undefined,
  replaceAfterMs: 90_000,
  maxFee: 200n * 10n ** 9n,
};

/**
 * Row 10: a week without a chain at one receipt a second, each with a signed head, then the chain is there. The clock is
 * the test's; the heads' signatures are random bytes, because only their room counts here.
 */
export const offlineRow: Row = {
  number: 10,
  test: '7 days offline at 1 receipt/s',
  target: '≤ 500 MB, ≤ 61 transactions, ≤ 4.7M gas to drain',
  async run({ seed, dir, say }) {
    const devchain = await startDevChain({ dir: join(dir, 'chain'), port: 0, log: recordingLog() });
    const { rpcUrl, chainId, addresses } = devchain;
    const signer = deviceSigner(keccak(Buffer.from(`offline ${seed}`)));
    await devchain.fund(signer.address);
    const chain = createEvmChain({ rpcUrl, chainId, ledger: addresses.ledger, confirmations: 0 });
    const rpc = new JsonRpc(rpcUrl);
    const file = join(dir, 'gateway.db');
    const store = moduleStore(file);
    try {
      store.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
      const book: BookKey = { chainId, address: addresses.ledger, device: signer.address };
      const clock = manualClock();
      const parts = { book, token: addresses.token, tariff: DEFAULT_TARIFF, clock };
      const meter = new ChannelMeter({ ...parts, coalesceAbove: 1000, maxBytes: 1024 * MIB });
      const signature = new Uint8Array(65).fill(0xa5);
      for (let n = 1; n <= SECONDS; n++) {
        const id = { requestId: `plant-7/temperature-anomaly/press-1/${clock.now()}-${n}` };
        const heads = [{ channel: 1, seq: n, signature }];
        const ops = [...meter.charge([use(n, { ...id, startedAt: clock.now() })])];
        await store.commit({ ops: [...ops, { op: 'billing.sign', args: { heads } }] });
        clock.advance(1000);
        if (n % 86_400 === 0) say(`day ${n / 86_400}: ${whole(statSync(file).size / MIB)} MiB`);
      }
      store.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      const before = statSync(file).size;

      const poster = new Poster({ store, chain, signer, book, clock, rules: RULES });
      const began = performance.now();
      for (;;) {
        const round = await poster.round();
        clock.advance(1000);
        if (round.kind === 'settled' && round.view.head.toSeq === SECONDS) break;
        if (performance.now() - began > 300_000) throw new Error('the backlog does not drain');
      }
      await poster.round();
      store.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      const sent = store.db.prepare('SELECT hash FROM billing_txs').all() as { hash: Uint8Array }[];
      let gas = 0;
      for (const { hash } of sent) {
        const receipt = await rpc.call('eth_getTransactionReceipt', [toHex(hash)]);
        gas += Number((receipt as { gasUsed: string }).gasUsed);
      }
      const [totals] = await receiptTotals(store);
      const size = Math.max(before, statSync(file).size) / 1e6;
      const exact = totals?.posted === SECONDS;
      return {
        passed: exact && size <= 500 && sent.length <= 61 && gas <= 4_700_000,
        measured: `${whole(size)} MB for ${whole(SECONDS)} receipts, ${sent.length} transactions, ${whole(gas)} gas, drained in ${((performance.now() - began) / 1000).toFixed(0)} s`,
      };
    } finally {
      store.db.close();
      rpc.close();
      chain.close();
      await devchain.stop();
    }
  },
};

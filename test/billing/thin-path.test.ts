import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startDevChain } from '../../adapters/devchain/index.ts';
import { createEvmChain } from '../../adapters/evm/index.ts';
import { createBilling } from '../../gateway/billing/index.ts';
import {
  listReceipts,
  proofText,
  showReceipt,
  verifyProof,
} from '../../gateway/billing/receipts/receipts.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { moduleStore } from './harness.ts';
import { uses } from './uses.ts';

test.each(['anvil', 'ethereumjs'] as const)(
  'uses become receipts, a batch on %s, and a proof',
  async (engine) => {
    const dir = temporaryFolder();
    const log = recordingLog();
    const devchain = await startDevChain({ dir: join(dir, 'chain'), port: 0, log, engine });
    onTestFinished(() => devchain.stop());
    const { rpcUrl, chainId, addresses } = devchain;
    const chain = createEvmChain({ rpcUrl, chainId, ledger: addresses.ledger, confirmations: 0 });
    const store = moduleStore(join(dir, 'gateway.db'));
    const alarms = recordingAlarms();
    const billing = createBilling({
      config: undefined,
      dataDir: dir,
      store,
      chain,
      clock: systemClock(),
      log,
      alarms,
    });
    onTestFinished(() => billing.stop());
    await billing.start(AbortSignal.timeout(30_000));
    await devchain.fund(billing.stats().device);
    await store.commit({ ops: billing.meter.charge(uses(1, 300)) });
    await until(
      async () => (await listReceipts(store, { limit: 300 })).every((r) => r.state === 'FINAL'),
      'a final batch',
    );

    expect(alarms.active()).toEqual([]);
    await until(async () => (await showReceipt(store, '1:100')).batch?.block !== null, 'the block');
    const shown = await showReceipt(store, 'gw/anomaly/device-1/1780000000000-100');
    expect(shown).toMatchObject({ seq: 100, amount: '0.0001', cumulative: '0.01', state: 'FINAL' });
    expect(shown.batch).toMatchObject({ receipts: 300, block: expect.any(Number) });
    await until(async () => (await showReceipt(store, '1:300')).verdict.kind === 'valid', 'a signed head');
    const { proof } = await showReceipt(store, '1:100');
    expect(verifyProof(proofText(proof))).toMatchObject({ kind: 'valid', head: shown.batch?.head });
  },
);

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createEvmChain } from '../../adapters/evm/index.ts';
import { createBilling, createKeystore } from '../../gateway/billing/index.ts';
import { listReceipts, receiptTotals } from '../../gateway/billing/receipts/receipts.ts';
import { type BillingConfig, billingSection } from '../../gateway/config/schema.ts';
import type { Chain } from '../../gateway/ports/chain.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { moduleStore } from './harness.ts';
import { ledgerInMemory } from './ledger-in-memory.ts';
import { uses } from './uses.ts';

const LEDGER = `0x${'0a'.repeat(20)}`;

function billingIn(dir: string, config: BillingConfig | undefined, chain: Chain | undefined) {
  const store = moduleStore();
  const parts = { clock: systemClock(), log: recordingLog(), alarms: recordingAlarms() };
  const billing = createBilling({ config, dataDir: dir, store, chain, ...parts });
  onTestFinished(() => billing.stop());
  return { billing, store, start: () => billing.start(AbortSignal.timeout(10_000)) };
}

test('takes key, tariff and limits from its configuration', async () => {
  const dir = temporaryFolder();
  const keys = await createKeystore(join(dir, 'elsewhere'));
  const tariff = join(dir, 'tariff.json');
  writeFileSync(tariff, JSON.stringify({ version: 1, name: 'mine', prices: { inference: '5' } }));
  const config = billingSection.parse({
    chain: { rpcUrl: 'http://127.0.0.1:1', chainId: 5, ledger: LEDGER, ...keys },
    tariff,
    batch: { maxReceipts: 2 },
  });
  const { billing, store, start } = billingIn(dir, config, ledgerInMemory({ chainId: 5, address: LEDGER }));
  await start();
  await store.commit({ ops: billing.meter.charge(uses(1, 5)) });
  await until(async () => (await receiptTotals(store))[0]?.posted === 4, 'two full batches');
  expect(await receiptTotals(store)).toMatchObject([
    { chain_id: 5, ledger: LEDGER, receipts: 5, total: '25' },
  ]);
  expect(billing.stats()).toMatchObject({
    uses: 5,
    chain: 'ok',
    device: expect.stringMatching(/^0x[0-9a-f]{40}$/),
  });
});

test('a tariff that cannot be read or is not valid fails the start', async () => {
  const dir = temporaryFolder();
  const tariff = join(dir, 'tariff.json');
  const { start } = billingIn(dir, billingSection.parse({ tariff }), undefined);
  await expect(start()).rejects.toMatchObject({ code: 'TARIFF_INVALID' });
  writeFileSync(tariff, '{"version":1,"name":"x","prices":{"inference":0.1}}');
  await expect(start()).rejects.toMatchObject({ code: 'TARIFF_INVALID' });
});

test('meters without a chain, and stops twice', async () => {
  const { billing, store, start } = billingIn(temporaryFolder(), undefined, undefined);
  expect(() => billing.meter.charge(uses(1, 1))).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  await start();
  await store.commit({ ops: billing.meter.charge(uses(1, 3)) });
  expect(await listReceipts(store)).toHaveLength(3);
  expect(billing.stats().chain).toBe('none');
  await billing.stop();
  await billing.stop();
});

test('a node that never answers holds up neither the meter nor the stop', async () => {
  let connections = 0;
  const node = createServer(() => connections++).listen(0, '127.0.0.1');
  onTestFinished(() => void node.close());
  await new Promise((resolve) => node.once('listening', resolve));
  const { port } = node.address() as { port: number };
  const rpcUrl = `http://127.0.0.1:${port}`;
  const chain = createEvmChain({
    rpcUrl,
    chainId: 5,
    ledger: LEDGER,
    confirmations: 1,
    timeoutMs: 3_600_000,
  });
  const { billing, store, start } = billingIn(temporaryFolder(), undefined, chain);
  await start();
  await until(() => connections > 0, 'a request to the node');
  await store.commit({ ops: billing.meter.charge(uses(1, 3)) });
  expect(await listReceipts(store)).toHaveLength(3);
  await billing.stop(); // the request alone would take an hour
});

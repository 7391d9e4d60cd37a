import { createEvmChain } from '../../adapters/evm/index.ts';
import { BILLING_MODULE, createBilling } from '../../gateway/billing/index.ts';
import { billingSection } from '../../gateway/config/schema.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { uses } from './uses.ts';

/** A process that bills uses from FROM to TO, says how far it is durable, and posts all the while; it ends when killed. */
const [dir, rpcUrl, ledger, from, to] = process.argv.slice(2) as [string, string, string, string, string];
const parts = { clock: systemClock(), log: recordingLog(), alarms: recordingAlarms() };
const store = openStore({ dir, durability: 'full', modules: [BILLING_MODULE], ...parts });
await store.start(AbortSignal.timeout(20_000));
const chain = createEvmChain({ rpcUrl, chainId: 31337, ledger, confirmations: 0 });
const config = billingSection.parse({ batch: { idle: '10ms' } });
const billing = createBilling({ config, dataDir: dir, store, chain, ...parts });
await billing.start(AbortSignal.timeout(20_000));
console.log(`device ${billing.stats().device}`);
for (let n = Number(from); n <= Number(to); n += 5) {
  await store.commit({ ops: billing.meter.charge(uses(n, n + 4)) });
  console.log(`durable ${n + 4}`);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
setInterval(() => {}, 1000);

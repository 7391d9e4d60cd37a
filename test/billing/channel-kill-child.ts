import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEvmChain } from '../../adapters/evm/index.ts';
import type { BillingConfig } from '../../gateway/config/schema.ts';
import { openDesk } from '../serving/desk.ts';
import { until } from '../support/until.ts';

/** A gateway that serves one channel, several requests at a time, and says which receipts went out; it ends when killed. */
const [dir, id, from] = process.argv.slice(2) as [string, string, string];
const config = JSON.parse(readFileSync(join(dir, 'billing.json'), 'utf8')) as BillingConfig;
const { chain } = config;
const desk = await openDesk(
  dir,
  {},
  { config, chain: createEvmChain({ ...chain!, ledger: chain!.ledger! }) },
);
await desk.serving.start(AbortSignal.timeout(20_000));
await until(() => desk.billing.channels.list().length > 0, 'the channel');
let next = Number(from);
const serve = async (): Promise<void> => {
  for (;;) {
    const body = {
      id: `k-${next++}`,
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
      parameters: { channel: id },
    };
    const reply = await desk.ask(body);
    if (reply.status !== 200) throw new Error(`${reply.code}: ${reply.message}`);
    const { receipt } = JSON.parse(Buffer.from(reply.body).toString()) as { receipt: Record<string, string> };
    console.log(`${receipt.seq} ${receipt.hash}`);
  }
};
await Promise.all(Array.from({ length: 6 }, serve));

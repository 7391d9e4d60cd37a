import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { startDevChain } from '../../adapters/devchain/index.ts';
import { createEvmChain } from '../../adapters/evm/index.ts';
import { openReceiptFile, receiptTotals } from '../../gateway/billing/receipts/receipts.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { randomFrom } from './fault-rig.ts';

const SEED = 20260607;
const USES = 400;

test.skipIf(!anvilBinary())(
  `kill -9 at random instants: every durable receipt is posted, each once (seed ${SEED})`,
  async () => {
    const dir = temporaryFolder();
    const random = randomFrom(SEED);
    const devchain = await startDevChain({ dir: join(dir, 'chain'), port: 0, log: recordingLog() });
    onTestFinished(() => devchain.stop());
    const { rpcUrl, addresses } = devchain;
    const chain = createEvmChain({ rpcUrl, chainId: 31337, ledger: addresses.ledger, confirmations: 0 });
    onTestFinished(() => chain.close());
    let durable = 0;
    let device = '';

    const start = () => {
      const script = new URL('./kill-child.ts', import.meta.url).pathname;
      const args = [script, dir, rpcUrl, addresses.ledger, String(durable + 1), String(USES)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, value] = line.split(' ');
        if (word === 'durable') durable = Number(value);
        else device = value ?? '';
      });
      const gone = new Promise((resolve) => child.once('exit', resolve));
      return { kill: () => child.kill('SIGKILL') && gone };
    };

    for (let round = 0; round < 6; round++) {
      const running = start();
      const mark = durable + 5 + Math.floor(random() * 45);
      await until(() => durable >= mark, `use ${mark}`);
      if (round === 0) await devchain.fund(device);
      await running.kill();
    }
    const running = start();
    const posted = async () => {
      const answer = await chain.view(device);
      return answer.ok ? answer.value.head.toSeq : -1;
    };
    await until(async () => (await posted()) === USES, 'the last batch', 20_000);
    await until(async () => {
      const reader = openReceiptFile(join(dir, 'gateway.db'));
      const [totals] = await receiptTotals(reader);
      reader.close();
      return totals?.final === USES;
    }, 'the books');
    await running.kill();
    const reader = openReceiptFile(join(dir, 'gateway.db'));
    expect(await receiptTotals(reader)).toMatchObject([
      { receipts: USES, posted: USES, final: USES, total: String(BigInt(USES) * 10n ** 14n) },
    ]);
    reader.close();
  },
  60_000,
);

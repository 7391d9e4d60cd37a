import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startDevChain } from '../../../adapters/devchain/index.ts';
import { createEvmChain } from '../../../adapters/evm/index.ts';
import { openReceiptFile, receiptTotals } from '../../../gateway/billing/receipts/receipts.ts';
import { randomFrom } from '../../billing/fault-rig.ts';
import { recordingLog } from '../../support/log.ts';
import { until } from '../../support/until.ts';
import { percentile, type Row, whole } from './row.ts';

const KILLS = 40;
const USES = 4_000;
const CHILD = new URL('../../billing/kill-child.ts', import.meta.url).pathname;

/** Row 5: the process is killed at random instants; what it said was durable must end on the chain, once. */
export const killsRow: Row = {
  number: 5,
  test: 'kill -9 at any statement',
  target: '0 acknowledged receipts lost; re-send ≤ 5 s',
  async run({ seed, dir, say }) {
    const random = randomFrom(seed);
    const devchain = await startDevChain({ dir: join(dir, 'chain'), port: 0, log: recordingLog() });
    const { rpcUrl, addresses } = devchain;
    const chain = createEvmChain({ rpcUrl, chainId: 31337, ledger: addresses.ledger, confirmations: 0 });
    let [durable, device, readyAt] = [0, '', 0];
    const start = () => {
      const args = [CHILD, dir, rpcUrl, addresses.ledger, String(durable + 1), String(USES)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, value] = line.split(' ');
        if (word === 'durable') durable = Number(value);
        else [device, readyAt] = [value ?? '', performance.now()];
      });
      const gone = new Promise((resolve) => child.once('exit', resolve));
      return { kill: () => child.kill('SIGKILL') && gone };
    };
    const posted = async (): Promise<number> => {
      const answer = await chain.view(device);
      return answer.ok ? answer.value.head.toSeq : -1;
    };
    const [resends, starts]: [number[], number[]] = [[], []];
    let lost = 0;
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const [before, began] = [durable, performance.now()];
        const running = start();
        if (kill === 0) {
          await until(() => device !== '', 'the device key', 30_000);
          await devchain.fund(device);
        } else {
          // What was durable before the kill is on the chain again without anybody's help.
          await until(async () => (await posted()) >= before, `receipt ${before} on the chain`, 60_000);
          const sent = performance.now();
          await until(() => readyAt > began, 'billing that runs', 60_000);
          resends.push(Math.max(0, sent - readyAt));
          starts.push(readyAt - began);
        }
        const mark = durable + 1 + Math.floor(random() * 60);
        await until(() => durable >= mark, `use ${mark}`, 60_000);
        await running.kill();
        const reader = openReceiptFile(join(dir, 'gateway.db'));
        const [totals] = await receiptTotals(reader);
        reader.close();
        if ((totals?.receipts ?? 0) < durable) lost += durable - (totals?.receipts ?? 0);
        if (kill % 10 === 9) say(`${kill + 1} kills, ${durable} acknowledged`);
      }
    } finally {
      chain.close();
      await devchain.stop();
    }
    const slowest = Math.max(...resends);
    return {
      passed: lost === 0 && slowest <= 5_000,
      measured: `${KILLS} kills, ${whole(durable)} acknowledged, ${lost} lost; re-sent ${(slowest / 1000).toFixed(1)} s after billing was up at worst, median ${(percentile(resends, 0.5) / 1000).toFixed(1)} s (up ${(percentile(starts, 0.5) / 1000).toFixed(1)} s after the start)`,
    };
  },
};

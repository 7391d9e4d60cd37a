import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { testChain } from '../contracts-evm/chain.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { channelRig, PRICE, seen, TOKEN } from './channel-rig.ts';
import { randomFrom } from './fault-rig.ts';

const SEED = 20261122;
/** AIMX_KILLS=50 takes some minutes. */
const KILLS = Number(process.env.AIMX_KILLS ?? 2);

test.skipIf(!anvilBinary())(
  `kill -9 while a channel is served: no receipt that went out is lost, none is numbered twice (seed ${SEED})`,
  async () => {
    const dir = temporaryFolder();
    const random = randomFrom(SEED);
    const rig = await channelRig(await testChain('anvil'), dir);
    await rig.world.deposit(TOKEN);
    await seen(rig, TOKEN);
    await rig.desk.billing.channels.take(rig.id, 'ceiling', await rig.ceiling(TOKEN), 'consumer/c');
    await rig.desk.crash();
    writeFileSync(join(dir, 'billing.json'), JSON.stringify(rig.section));
    const out = new Map<number, string>();
    for (let round = 0; round < KILLS; round++) {
      const script = new URL('./channel-kill-child.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, [script, dir, rig.id, String(round * 10_000)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      const gone = new Promise((resolve) => child.once('exit', resolve));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [seq, hash] = line.split(' ');
        expect(out.has(Number(seq))).toBe(false);
        out.set(Number(seq), hash!);
      });
      const mark = out.size + 20 + Math.floor(random() * 60);
      await until(() => out.size >= mark, `${mark} receipts`, 20_000);
      child.kill('SIGKILL');
      await gone;
    }
    await rig.reopen();
    onTestFinished(() => rig.desk.crash());
    const kept = (await rig.desk.billing.channels.receipts(rig.id, 1, 1000)) as Record<string, string>[];
    expect(kept.map(({ seq }) => Number(seq))).toEqual(kept.map((_, i) => i + 1));
    for (const [i, { prevHash, cumulative }] of kept.entries()) {
      expect(prevHash).toBe(kept[i - 1]?.hash ?? `0x${'00'.repeat(32)}`);
      expect(cumulative).toBe(String(BigInt(i + 1) * PRICE));
    }
    for (const [seq, hash] of out) expect(kept[seq - 1]?.hash).toBe(hash);
    expect(rig.state().newest.seq).toBe(String(kept.length));
  },
  30_000 + KILLS * 30_000,
);

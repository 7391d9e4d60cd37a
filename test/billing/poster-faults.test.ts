import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { wrongInBooks } from './fault-books.ts';
import { FaultRig } from './fault-rig.ts';

const RULES = {
  maxReceipts: 200,
  maxAgeMs: 86_400_000,
  idleMs: 0,
  replaceAfterMs: 3_000,
  maxFee: 500n * 10n ** 9n,
};
const FAULTS_PER_SEED = 75;
/** `AIMX_FAULT_SEEDS=20` tries that many seeds. */
const SEEDS = Array.from({ length: Number(process.env.AIMX_FAULT_SEEDS ?? 4) }, (_, i) => 11 + i);

/** Crashes at any statement and before and after each send, lost answers, dropped transactions, reorganisations, lost blocks, killed chains. */
test.skipIf(!anvilBinary()).each(SEEDS)(
  'every receipt is posted exactly once, whatever happens (seed %i)',
  async (seed) => {
    const rig = new FaultRig(temporaryFolder(), seed, RULES);
    onTestFinished(() => rig.stop());
    await rig.start(await freePort());
    for (let i = 0; i < 600 && rig.faults < FAULTS_PER_SEED; i++) await rig.turbulence();
    console.log(`seed ${seed}: ${rig.faults} faults ${JSON.stringify(Object.fromEntries(rig.counts))}`);
    expect(rig.faults).toBeGreaterThanOrEqual(FAULTS_PER_SEED);
    await rig.drain();

    expect(await wrongInBooks(rig)).toEqual([]);
  },
  60_000,
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

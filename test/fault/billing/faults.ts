import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { wrongInBooks } from '../../billing/fault-books.ts';
import { FaultRig } from '../../billing/fault-rig.ts';
import { type Row, whole } from './row.ts';

const SEEDS = 20;
const FAULTS_PER_SEED = 52;
const MAX_ROUNDS = 800;
const RULES = {
  maxReceipts: 200,
  maxAgeMs: 86_400_000,
  idleMs: 0,
  replaceAfterMs: 3_000,
  maxFee: 500n * 10n ** 9n,
};

/** Row 4: everything that can happen to a poster, at random, on anvil. The first seed is the one that is printed. */
export const faultsRow: Row = {
  number: 4,
  test: '≥ 1,000 faults (crash, reorg ≤ 32, dropped tx, fee spike 1 → 200 gwei, replacement, stale re-broadcast), 20 seeds',
  target: 'exact total, 0 duplicates, 0 gaps',
  async run({ seed, dir, say }) {
    const kinds = new Map<string, number>();
    let [faults, receipts, replacements] = [0, 0, 0];
    const wrong: string[] = [];
    for (let i = 0; i < SEEDS; i++) {
      const folder = join(dir, String(i));
      mkdirSync(folder);
      const rig = new FaultRig(folder, seed + i, RULES, { reorgDepth: 32, spikeGwei: 200 });
      try {
        await rig.start(await freePort());
        for (let round = 0; round < MAX_ROUNDS && rig.faults < FAULTS_PER_SEED; round++)
          await rig.turbulence();
        await rig.drain();
        for (const problem of await wrongInBooks(rig)) wrong.push(`seed ${seed + i}: ${problem}`);
        for (const [kind, n] of rig.counts) kinds.set(kind, (kinds.get(kind) ?? 0) + n);
        faults += rig.faults;
        receipts += rig.receipts;
        replacements += rig.replacements;
        say(
          `seed ${seed + i}: ${rig.faults} faults, ${rig.replacements} replacements, ${rig.receipts} receipts`,
        );
      } finally {
        await rig.stop();
      }
    }
    for (const problem of wrong) say(problem);
    say([...kinds].map(([kind, n]) => `${kind} ${n}`).join(', '));
    return {
      passed: wrong.length === 0 && faults >= 1000,
      measured: `${whole(faults)} faults and ${whole(replacements)} replacements, ${whole(receipts)} receipts, ${wrong.length} wrong`,
    };
  },
};

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

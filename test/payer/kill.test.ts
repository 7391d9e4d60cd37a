import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';
import { randomFrom } from '../billing/fault-rig.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { Seller } from './seller.ts';
import { FLAT } from './setting.ts';

const SEED = Number(process.env.AIMX_SEED ?? 20261122);
const KILLS = Number(process.env.AIMX_KILLS ?? 3);
const USES = 6;

function live(folder: string, at: number): Promise<string[]> {
  const script = new URL('./kill-child.ts', import.meta.url).pathname;
  return new Promise((done) => {
    execFile(process.execPath, [script, folder, String(at), String(USES)], (_error, stdout) =>
      done(stdout.split('\n').filter((line) => line !== '')),
    );
  });
}

test(
  `kill -9 at any statement: no signature is lost, none contradicts another (seed ${SEED})`,
  async () => {
    const random = randomFrom(SEED);
    const folder = temporaryFolder();
    const shown = new Map<string, string>();
    let total = 0n;
    const seller = new Seller(FLAT);
    for (let i = 1; i <= USES; i++) total = seller.sell(`r-${i}`).evidence.receipt.cumulative;
    const hear = (lines: readonly string[]): string | undefined => {
      for (const line of lines) {
        const [kind, name, signature] = line.split(' ') as [string, string, string];
        if (kind === 'end') return line;
        // Whatever was shown once is what is shown ever after.
        expect(shown.get(`${kind} ${name}`) ?? signature).toBe(signature);
        shown.set(`${kind} ${name}`, signature);
      }
      return undefined;
    };
    for (let kill = 0; kill < KILLS; kill++) hear(await live(folder, 2 + Math.floor(random() * 45)));
    expect(hear(await live(folder, 0))).toBe(`end ${USES} ${total} ${USES} none`);
  },
  60_000 + KILLS * 2000,
);

/**
 * Provider and payer in processes of their own, on a real chain, while everything between and below them fails at random:
 *
 *     node test/fault/billing-chaos.ts --seconds 90 --seed 1
 *     node test/fault/billing-chaos.ts --seconds 90 --seed 2 --mqtt 1      --topUp 1: the payer fills its escrow by itself
 *
 * Kill -9 of gateway and payer (and of the command that deposits); the links payer–gateway, payer–chain and gateway–chain cut; the chain
 * reorganised up to three blocks deep; an escrow that runs dry and is filled only afterwards. Then calm: everything is mended, asked and
 * settled. Passes when every request has one answer and one receipt, and the books of the payer, those of the gateway and the chain
 * agree to the wei; at last the payer takes back what is left, and nothing remains in the ledger.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { numbers } from './arguments.ts';
import { ChaosRun } from './chaos/run.ts';

const options = numbers({ seconds: 60, seed: 1, mqtt: 0, topUp: 0, keep: 0 });
const folder = mkdtempSync(join(tmpdir(), 'aimx-chaos-'));
mkdirSync(join(folder, 'chain'));
console.log(
  `seed ${options.seed}, ${options.seconds} s of chaos, requests over ${options.mqtt ? 'MQTT' : 'HTTP'}, in ${folder}`,
);
const run = new ChaosRun(folder, {
  seed: options.seed,
  mqtt: options.mqtt !== 0,
  topUp: options.topUp !== 0,
});
let passed = false;
try {
  await run.start();
  await run.chaos(options.seconds * 1000);
  await run.calm();
  for (const line of await run.verdict()) console.log(line);
  passed = run.problems.length === 0;
} catch (error) {
  run.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  await run.stop();
}
for (const problem of run.problems) console.log(`PROBLEM ${problem}`);
if (!passed) console.log(run.evidence());
if (passed && !options.keep) rmSync(folder, { recursive: true, force: true });
console.log(passed ? 'passed' : `failed; everything is in ${folder}`);
process.exitCode = passed ? 0 : 1;

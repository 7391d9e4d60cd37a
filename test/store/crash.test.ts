import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';

const CHILD = new URL('./crash-child.ts', import.meta.url).pathname;
const SEED = Number(process.env.AIMX_SEED ?? 7001);
const KILLS = Number(process.env.AIMX_KILLS ?? 15);

interface Run {
  readonly acknowledged: number;
  readonly checked: boolean;
  readonly errors: string;
}

/** Runs the child and kills it, `afterMs` after it has checked what it found. */
function runAndKill(dir: string, seed: number, acknowledged: number, afterMs: number): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CHILD, dir, String(seed), String(acknowledged)]);
    let latest = acknowledged;
    let checked = false;
    let errors = '';
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString();
    });
    createInterface(child.stdout).on('line', (line) => {
      if (line.startsWith('ack ')) latest = Math.max(latest, Number(line.slice(4)));
      if (!line.startsWith('checked')) return;
      checked = true;
      setTimeout(() => child.kill('SIGKILL'), afterMs);
    });
    child.on('close', () => resolve({ acknowledged: latest, checked, errors }));
  });
}

it(`loses nothing acknowledged, repeats nothing and keeps its accounts over ${KILLS} kills`, async () => {
  const dir = temporaryFolder();
  let random = SEED;
  let acknowledged = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const run = await runAndKill(dir, random, acknowledged, (random >>> 8) % 250);
    expect(run.checked, `seed ${SEED}, kill ${kill}: ${run.errors}`).toBe(true);
    acknowledged = run.acknowledged;
  }
  const last = await runAndKill(dir, random, acknowledged, 0);
  expect(last.checked, `seed ${SEED}, after the last kill: ${last.errors}`).toBe(true);
  console.log(`seed ${SEED}: ${KILLS} kills, ${acknowledged} records acknowledged`);
  expect(acknowledged).toBeGreaterThan(0);
}, 120_000);

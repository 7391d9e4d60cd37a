/**
 * The targets of receipts and settlement, each as one command:
 *
 *     node test/fault/billing-targets.ts                 lists them
 *     node test/fault/billing-targets.ts --row 4         runs one
 *     node test/fault/billing-targets.ts --all           runs all (some ten minutes)
 *     node test/fault/billing-targets.ts --all --seed 7
 *
 * Prints the seed, what was measured beside the target, and `passed` or `FAILED` in the last line (exit code 0 or 1).
 */
import { parseArgs } from 'node:util';
import { clockRow, shortRow, tokenRow } from './billing/escrow.ts';
import { faultsRow } from './billing/faults.ts';
import { freshRow } from './billing/fresh.ts';
import { gasRows } from './billing/gas.ts';
import { killsRow } from './billing/kills.ts';
import { meteringRow } from './billing/metering.ts';
import { offlineRow } from './billing/offline.ts';
import { replayRow } from './billing/replay.ts';
import { type Row, runRow } from './billing/row.ts';
import { tariffRow } from './billing/tariffs.ts';
import { verifyRow } from './billing/verify.ts';

const ROWS: readonly Row[] = [
  ...gasRows,
  faultsRow,
  killsRow,
  replayRow,
  shortRow,
  clockRow,
  offlineRow,
  meteringRow,
  verifyRow,
  tariffRow,
  tokenRow,
  freshRow,
].toSorted((a, b) => a.number - b.number);

const { values } = parseArgs({
  options: {
    row: { type: 'string', multiple: true },
    all: { type: 'boolean' },
    seed: { type: 'string', default: '20261122' },
  },
});
const chosen = values.all ? ROWS : ROWS.filter(({ number }) => values.row?.includes(String(number)));
if (chosen.length === 0) {
  for (const { number, test, target } of ROWS)
    console.log(`${String(number).padStart(2)}  ${test}: ${target}`);
  process.exit(values.row ? 2 : 0);
}

const seed = Number(values.seed);
console.log(`seed ${seed}`);
const failed: number[] = [];
const lines: string[] = [];
for (const row of chosen) {
  const began = performance.now();
  const say = (line: string): void => console.log(`    ${line}`);
  const outcome = await runRow(row, seed, say).catch((error: unknown) => {
    console.log(error);
    return { passed: false, measured: error instanceof Error ? error.message : String(error) };
  });
  if (!outcome.passed) failed.push(row.number);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const line = `| ${row.number} | ${row.test} | ${row.target} | ${outcome.measured} | ${outcome.passed ? 'yes' : 'NO'} |`;
  lines.push(line);
  console.log(`${line} ${seconds} s`);
}
if (chosen.length > 1) {
  console.log('\n| # | test | target | measured | held |\n| - | - | - | - | - |');
  for (const line of lines) console.log(line);
}
console.log(failed.length === 0 ? 'passed' : `FAILED: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

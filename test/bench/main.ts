/**
 * The bench: what the gateway costs, each figure a ratio to a reference measured in the same interleaved run.
 * Run: npm run bench [-- P1 P5 …] [-- --quick]. Writes `.bench/<time>.json`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Figure, FigureResult } from './figure.ts';
import { p8, p10 } from './figures/footprint.ts';
import { p3, p9 } from './figures/journal.ts';
import { p6 } from './figures/latency.ts';
import { models } from './figures/models.ts';
import { p4, p5, p12 } from './figures/others.ts';
import { p7 } from './figures/scale.ts';
import { p1, p2 } from './figures/whole-path.ts';
import { mosquittoVersion } from './sides.ts';

const FIGURES: readonly Figure[] = [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p12, models];

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const wanted = new Set(positionals.map((id) => id.toUpperCase()));
const unknown = [...wanted].filter((id) => FIGURES.every((figure) => figure.id !== id));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${FIGURES.map(({ id }) => id).join(', ')}`);
  process.exit(2);
}

const load = (): number[] => loadavg().map((value) => Number(value.toFixed(2)));
const machine = {
  date: new Date().toISOString(),
  quick: values.quick,
  node: process.version,
  mosquitto: mosquittoVersion(),
  system: `${process.platform} ${release()} ${process.arch}`,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
};
console.log(
  Object.entries({ ...machine, load: load() })
    .map((pair) => pair.join(': '))
    .join('\n'),
);

/** What the figure at hand has to undo, newest first. */
let tasks: (() => unknown)[] = [];

async function cleanUp(): Promise<void> {
  const now = tasks;
  tasks = [];
  for (const task of now) await task();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}

const report: Record<string, unknown>[] = [];
for (const figure of FIGURES) {
  if (wanted.size > 0 && !wanted.has(figure.id)) continue;
  console.log(
    `\n${figure.id}  ${figure.title}\n    must ${figure.must}; stretch ${figure.stretch}; load ${load().join(' ')}`,
  );
  const before = load();
  const result = await measure(figure);
  report.push({
    id: figure.id,
    title: figure.title,
    must: figure.must,
    loadBefore: before,
    loadAfter: load(),
    ...result,
  });
}

const folder = join(import.meta.dirname, '../../.bench');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${machine.date.replaceAll(':', '-')}.json`);
writeFileSync(file, `${JSON.stringify({ ...machine, figures: report }, null, 2)}\n`);
console.log(`\nwritten to ${file}`);

/** A figure that cannot be measured says why and does not end the bench. */
async function measure(figure: Figure): Promise<FigureResult | { readonly error: string }> {
  try {
    const result = await figure.run({
      quick: values.quick,
      say: (line) => console.log(`    ${line}`),
      cleanUp: (task) => tasks.unshift(task),
    });
    for (const [name, rounds] of Object.entries(result.rounds))
      console.log(`    ${name}: ${rounds.join(' ')}`);
    for (const note of result.notes ?? []) console.log(`    (${note})`);
    const figures = Object.entries(result.values).map(([name, value]) => `${name} ${value}`);
    console.log(`${figure.id}  ${figures.join(', ')}: ${result.holds ? 'holds' : 'DOES NOT HOLD'}`);
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.log(`${figure.id}  not measured: ${message}`);
    process.exitCode = 1;
    return { error: message };
  } finally {
    await cleanUp();
  }
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenChain, openChain } from '../../contracts-evm/open-chain.ts';

/** One row of the table of targets: what it tries, what must come out, and the program that finds out. */
export interface Row {
  readonly number: number;
  readonly test: string;
  readonly target: string;
  run(context: RowContext): Promise<Outcome>;
}

export interface RowContext {
  readonly seed: number;
  /** A folder of its own, removed afterwards. */
  readonly dir: string;
  /** Prints a line about how far it is. */
  say(line: string): void;
}

export interface Outcome {
  readonly passed: boolean;
  readonly measured: string;
}

export const ENGINES = ['anvil', 'ethereumjs'] as const;
export type Engine = (typeof ENGINES)[number];

/** Runs something on a fresh chain of each kind, one after the other. */
export async function onEach<T>(
  context: RowContext,
  use: (chain: OpenChain, engine: Engine) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const engine of ENGINES) {
    const chain = await openChain(engine, join(context.dir, engine));
    try {
      results.push(await use(chain, engine));
    } finally {
      await chain.close();
    }
  }
  return results;
}

/** Gives a row its folder and takes it away again. */
export async function runRow(row: Row, seed: number, say: (line: string) => void): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), `aimx-target-${row.number}-`));
  try {
    return await row.run({ seed, dir, say });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** `1,234` */
export const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

/** The value below which this share of all values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

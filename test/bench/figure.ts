/** What a figure of the bench is, and what it works with. */

export interface BenchContext {
  /** Fewer and shorter rounds: shows that it works, and an order of magnitude. */
  readonly quick: boolean;
  /** A line of progress. */
  say(line: string): void;
  /** Runs at the end, newest first, whatever happens: stops what was started, removes what was written. */
  cleanUp(task: () => unknown): void;
}

export interface Figure {
  /** P1 to P12, as in the README of this folder. */
  readonly id: string;
  readonly title: string;
  /** What must hold, and what would be better, in words. */
  readonly must: string;
  readonly stretch: string;
  run(context: BenchContext): Promise<FigureResult>;
}

export interface FigureResult {
  /** One number per name: what is compared with the goal comes first. */
  readonly values: Readonly<Record<string, number>>;
  readonly holds: boolean;
  /** Every round of every side, and what else helps to judge. */
  readonly rounds: Readonly<Record<string, readonly number[]>>;
  readonly notes?: readonly string[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));

/** Runs the sides in turn, `rounds` times, after one warm-up each; answers what each measured. */
export async function interleave<Side extends string>(
  context: BenchContext,
  rounds: number,
  sides: Readonly<Record<Side, (round: number) => Promise<number>>>,
): Promise<Record<Side, number[]>> {
  const names = Object.keys(sides) as Side[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const value = rounded(await sides[name](round));
      if (round > 0) measured[name].push(value);
      context.say(`${round === 0 ? 'warm-up' : `round ${round}/${rounds}`}  ${name.padEnd(22)} ${value}`);
    }
  }
  return measured;
}

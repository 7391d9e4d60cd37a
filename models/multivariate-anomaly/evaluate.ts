import { emptyState, step } from './detector.ts';
import type { Plant } from './generate.ts';
import { PARAMETERS } from './parameters.ts';

/** How a detector did over the readings after the learning time, all devices together. */
export interface Counts {
  hits: number;
  falseAlarms: number;
  missed: number;
  quiet: number;
}

export const noCounts = (): Counts => ({ hits: 0, falseAlarms: 0, missed: 0, quiet: 0 });

export function count(counts: Counts, alarm: boolean, faulty: boolean): void {
  if (faulty) counts[alarm ? 'hits' : 'missed']++;
  else counts[alarm ? 'falseAlarms' : 'quiet']++;
}

/** F1 over readings, and the shares of normal readings with an alarm and of faulty ones without. */
export function ratesOf({ hits, falseAlarms, missed, quiet }: Counts): {
  F1: number;
  FAR: number;
  MAR: number;
} {
  const round = (x: number): number => Math.round(x * 1e4) / 1e4;
  return {
    F1: round((2 * hits) / Math.max(1, 2 * hits + falseAlarms + missed)),
    FAR: round(falseAlarms / Math.max(1, falseAlarms + quiet)),
    MAR: round(missed / Math.max(1, hits + missed)),
  };
}

/** Runs the detector in plain arithmetic over one device; answers whether the fault was noticed while it was there. */
export function evaluate({ rows, faulty }: Plant, counts: Counts): boolean {
  const state = emptyState();
  let noticed = false;
  for (const [i, row] of rows.entries()) {
    const alarm = step(state, row).score >= 0.5;
    if (i < PARAMETERS.learn) continue;
    count(counts, alarm, faulty[i]!);
    noticed ||= alarm && faulty[i]!;
  }
  return noticed;
}

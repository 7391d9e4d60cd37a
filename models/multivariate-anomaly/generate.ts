import type { Random } from '../training/random.ts';

/** Kinds of faults that {@link plant} makes. */
export const FAULTS = ['step', 'ramp', 'spread', 'decoupled'] as const;
export type Fault = (typeof FAULTS)[number];

/** One device's joined readings. */
export interface Plant {
  /** One row per reading. */
  readonly rows: readonly Float32Array[];
  /** Whether the fault is there. */
  readonly faulty: readonly boolean[];
  readonly fault: Fault;
}

interface Column {
  readonly centre: number;
  readonly scale: number;
  /** How much of each load the column follows. */
  readonly follows: readonly number[];
  readonly noise: number;
  /** Step of a slow random walk, as of a temperature. */
  readonly walk: number;
  /** Resolution of the sensor; 0 for none. */
  readonly resolution: number;
}

/**
 * A process with 3 to 12 sensors: one to three hidden loads that wander and swing, which the sensors follow with
 * noise; some wander by themselves as temperatures do, some have a coarse resolution. After 500 to 700 readings comes a
 * fault in one to three of its sensors: a step, a ramp, noise several times as large, or a sensor that leaves the
 * others. It lasts 200 to 400 readings; then everything is as before.
 */
export function plant(random: Random, fault: Fault = random.pick(FAULTS)): Plant {
  const columns = columnsOf(random);
  const loads = Array.from({ length: columns[0]!.follows.length }, () => ({
    value: random.normal(),
    period: random.between(40, 200),
    phase: random.between(0, 2 * Math.PI),
    swing: random.between(0, 0.8),
  }));
  const begin = random.integer(500, 700);
  const end = begin + random.integer(200, 400);
  const length = end + random.integer(150, 300);
  const hit = new Set(
    Array.from({ length: random.integer(1, 3) }, () => random.integer(0, columns.length - 1)),
  );
  const strength = random.between(2, 6) * (random.chance(0.5) ? 1 : -1);
  const walks = columns.map(() => 0);
  const rows: Float32Array[] = [];
  const faulty: boolean[] = [];
  for (let t = 0; t < length; t++) {
    const now = loads.map((load) => {
      load.value += -load.value / 60 + Math.sqrt(2 / 60) * random.normal();
      return load.value + load.swing * Math.sin((2 * Math.PI * t) / load.period + load.phase);
    });
    const on = t >= begin && t < end;
    const row = new Float32Array(columns.length);
    for (const [i, column] of columns.entries()) {
      walks[i]! += column.walk * random.normal();
      const touched = on && hit.has(i);
      const noise = column.noise * random.normal() * (touched && fault === 'spread' ? 8 : 1);
      let level = column.follows.reduce((sum, share, l) => sum + share * now[l]!, 0);
      if (touched && fault === 'decoupled') level = strength - level;
      if (touched && fault === 'step') level += strength;
      if (touched && fault === 'ramp') level += (strength * (t - begin)) / (0.6 * (end - begin));
      const value = column.centre + column.scale * (level + walks[i]! + noise);
      const { resolution } = column;
      row[i] = resolution > 0 ? Math.round(value / resolution) * resolution : value;
    }
    rows.push(row);
    faulty.push(on);
  }
  return { rows, faulty, fault };
}

function columnsOf(random: Random): Column[] {
  const loads = random.integer(1, 3);
  return Array.from({ length: random.integer(3, 12) }, (): Column => {
    const scale = 10 ** random.between(-2, 3);
    return {
      centre: scale * random.between(-20, 50),
      scale,
      follows: Array.from({ length: loads }, () => random.normal() * 0.5),
      noise: random.between(0.1, 0.6),
      walk: random.chance(0.25) ? random.between(0.005, 0.03) : 0,
      resolution: random.chance(0.2) ? scale * random.between(0.2, 1) : 0,
    };
  });
}

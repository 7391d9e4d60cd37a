import type { Random } from '../training/random.ts';

/** Samples in one window and their rate: 0.512 s. */
export const WINDOW = 512;
export const SAMPLE_RATE = 1000;
/** Axes in the order radial x, radial y, axial z. */
export const AXES = 3;
export const CONDITIONS = ['normal', 'imbalance', 'misalignment', 'bearing_fault', 'looseness'] as const;
export type Condition = (typeof CONDITIONS)[number];

/**
 * Acceleration (m/s²) of a bearing housing, row-major `[WINDOW, AXES]`, from the textbook signatures of rotating
 * machinery (ISO 13373-1/-2): imbalance is radial at 1× the shaft speed; misalignment radial and axial at 2× (with 1×
 * and 3×); a bearing fault is a train of resonant impacts at 3–6 × the speed, modulated by it; looseness is a ladder
 * of harmonics with half orders.
 * @param severity 0 (hardly to be seen) to 1 (strong)
 */
export function vibration(random: Random, condition: Condition, severity: number): Float32Array {
  const speed = random.between(15, 55);
  const signal = new Float32Array(WINDOW * AXES);
  const noise = random.between(0.08, 0.3);
  for (let i = 0; i < signal.length; i++) signal[i] = noise * random.normal();

  const tone = (order: number, radial: number, axial: number): void => {
    const frequency = order * speed * (1 + 0.002 * random.normal());
    if (frequency > SAMPLE_RATE / 2) return;
    const phase = random.between(0, 2 * Math.PI);
    for (let i = 0; i < WINDOW; i++) {
      const angle = (2 * Math.PI * frequency * i) / SAMPLE_RATE + phase;
      signal[i * AXES]! += radial * Math.sin(angle);
      signal[i * AXES + 1]! += radial * Math.cos(angle);
      signal[i * AXES + 2]! += axial * Math.sin(angle + 0.7);
    }
  };
  // Every real machine has a little of everything.
  tone(1, random.between(0.1, 0.35), random.between(0.02, 0.1));
  tone(2, random.between(0.02, 0.15), random.between(0.02, 0.08));
  tone(3, random.between(0, 0.08), random.between(0, 0.05));

  const size = 0.6 + 2.4 * severity;
  if (condition === 'imbalance') tone(1, size * random.between(0.8, 1.2), size * random.between(0.05, 0.2));
  if (condition === 'misalignment') {
    tone(2, size * random.between(0.6, 1), size * random.between(0.6, 1.1));
    tone(1, size * random.between(0.2, 0.4), size * random.between(0.3, 0.6));
    tone(3, size * random.between(0.1, 0.3), size * random.between(0.1, 0.3));
  }
  if (condition === 'looseness') {
    for (const order of [0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6]) {
      tone(order, (size * random.between(0.35, 0.7)) / Math.sqrt(order), size * random.between(0.05, 0.15));
    }
  }
  if (condition === 'bearing_fault') impacts(random, signal, speed, size);
  return signal;
}

function impacts(random: Random, signal: Float32Array, speed: number, size: number): void {
  const rate = speed * random.between(3, 6.2);
  const resonance = random.between(240, 440);
  const decay = random.between(90, 200);
  const axial = random.between(0.3, 0.6);
  const modulation = random.between(0.2, 0.6);
  for (
    let at = random.uniform() / rate;
    at < WINDOW / SAMPLE_RATE;
    at += (1 + 0.02 * random.normal()) / rate
  ) {
    const strength =
      2 * size * (1 + modulation * Math.sin(2 * Math.PI * speed * at)) * random.between(0.8, 1.2);
    for (let i = Math.ceil(at * SAMPLE_RATE); i < WINDOW; i++) {
      const t = i / SAMPLE_RATE - at;
      const ring = strength * Math.exp(-decay * t) * Math.sin(2 * Math.PI * resonance * t);
      if (t * decay > 6) break;
      signal[i * AXES]! += ring;
      signal[i * AXES + 1]! += 0.8 * ring;
      signal[i * AXES + 2]! += axial * ring;
    }
  }
}

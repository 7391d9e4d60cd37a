/** Seeded random numbers, so that a training run can be repeated to the bit. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  between(low: number, high: number): number;
  /** Standard normal (Box–Muller). */
  normal(): number;
  integer(low: number, highInclusive: number): number;
  pick<T>(from: readonly T[]): T;
  chance(probability: number): boolean;
}

/** A generator from a 32-bit seed: xorshift128 seeded by an LCG. */
export function seededRandom(seed: number): Random {
  const state = new Uint32Array(4);
  let s = seed >>> 0 || 1;
  for (let i = 0; i < 4; i++) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    state[i] = s;
  }
  const next = (): number => {
    let t = state[3]!;
    t ^= t << 11;
    t ^= t >>> 8;
    state[3] = state[2]!;
    state[2] = state[1]!;
    state[1] = state[0]!;
    state[0] = (t ^ state[0]! ^ (state[0]! >>> 19)) >>> 0;
    return state[0]! / 2 ** 32;
  };
  for (let i = 0; i < 16; i++) next();
  const random: Random = {
    uniform: next,
    between: (low, high) => low + (high - low) * next(),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (from) => from[Math.floor(next() * from.length)]!,
    chance: (probability) => next() < probability,
  };
  return random;
}

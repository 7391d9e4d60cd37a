/** A small seeded generator (mulberry32), so that every run of the same seed asks for the same. Values in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Time to the next event of a Poisson process of `rate` events per second, in ms. */
export const poissonGap = (random: () => number, rate: number): number =>
  (-Math.log(1 - random()) / rate) * 1000;

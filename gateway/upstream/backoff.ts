/** Longest pause between two tries of a link that is down. */
export const MAX_PAUSE_MS = 30_000;
const FIRST_PAUSE_MS = 250;

/**
 * Pauses before each further try, without end: exponential with full jitter, a uniformly random part of a ceiling
 * that doubles up to 30 s, so that many gateways do not come back in step after an outage.
 * @param random uniform in [0, 1)
 */
export function* backoff(random: () => number): Generator<number, never> {
  for (let ceiling = FIRST_PAUSE_MS; ; ceiling = Math.min(ceiling * 2, MAX_PAUSE_MS)) {
    yield Math.round(random() * ceiling);
  }
}

/** Longest pause between two attempts to connect. */
const MAX_PAUSE_MS = 30_000;
const FIRST_PAUSE_MS = 200;

/** Pauses before each further attempt: a random part of a ceiling that doubles up to 30 s. */
export function* reconnectPauses(random: () => number): Generator<number, never> {
  for (let ceiling = FIRST_PAUSE_MS; ; ceiling = Math.min(ceiling * 2, MAX_PAUSE_MS)) {
    yield Math.round(random() * ceiling);
  }
}

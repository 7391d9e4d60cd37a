import { array, assert, constantFrom, property } from 'fast-check';
import { expect, it } from 'vitest';
import { overlap, type Pattern, parseFilter } from '../../gateway/config/topics.ts';
import { covers } from '../../gateway/security/rules.ts';

const SEED = 20260601;
const ALPHABET = ['a', 'b', '$c'];

/** Every topic of up to four levels over a small alphabet. */
const TOPICS = [1, 2, 3, 4].flatMap((length) => {
  let topics: string[][] = [[]];
  for (let i = 0; i < length; i++) topics = topics.flatMap((t) => ALPHABET.map((level) => [...t, level]));
  return topics;
});

/** [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.2-1], written down once more and plainly. */
function matches(filter: readonly string[], topic: readonly string[]): boolean {
  if (topic[0]!.startsWith('$') && (filter[0] === '#' || filter[0] === '+' || filter[0]!.startsWith('{')))
    return false;
  const go = (f: number, t: number): boolean => {
    if (filter[f] === '#') return true;
    if (f === filter.length || t === topic.length) return f === filter.length && t === topic.length;
    const wild = filter[f] === '+' || filter[f]!.startsWith('{');
    return (wild || filter[f] === topic[t]) && go(f + 1, t + 1);
  };
  return go(0, 0);
}

const filters = array(constantFrom('a', 'b', '$c', '+', '#', '{device}'), { minLength: 1, maxLength: 3 })
  .map((levels) => parseFilter(levels.join('/')))
  .filter((result) => 'pattern' in result)
  .map((result) => (result as { pattern: Pattern }).pattern);

it(`two filters overlap exactly when some topic matches both (seed ${SEED})`, () => {
  assert(
    property(filters, filters, (a, b) => {
      const both = TOPICS.some((topic) => matches(a.levels, topic) && matches(b.levels, topic));
      expect(overlap(a, b)).toBe(both);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

it(`a filter that is covered matches nothing else (seed ${SEED})`, () => {
  assert(
    property(filters, filters, (a, b) => {
      const plain = (pattern: Pattern): string[] => pattern.levels.map((l) => (l.startsWith('{') ? '+' : l));
      if (!covers(plain(a), plain(b))) return;
      // `$` topics are refused before this question is asked.
      const outside = TOPICS.filter((topic) => !topic[0]!.startsWith('$')).find(
        (topic) => matches(b.levels, topic) && !matches(a.levels, topic),
      );
      expect(outside).toBeUndefined();
    }),
    { seed: SEED, numRuns: 500 },
  );
});

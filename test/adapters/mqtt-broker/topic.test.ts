import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Retained } from '../../../adapters/mqtt-broker/retained.ts';
import { isFilter, isReserved, isTopic, matches } from '../../../adapters/mqtt-broker/topic.ts';
import { TopicTree } from '../../../adapters/mqtt-broker/topic-tree.ts';

const seed = 20260601;
const level = fc.constantFrom('', 'a', 'b', 'dev1', '$SYS');
const topics = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])].join('/'));

describe('topics and filters', () => {
  // Cases of MQTT 3.1.1 §4.7.1.
  test.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/#', 'sport', true],
    ['#', 'a/b', true],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/broker', false],
    ['+/monitor', '$SYS/monitor', false],
    ['$SYS/#', '$SYS/monitor', true],
    ['a', 'ab', false],
    ['ab', 'a', false],
    ['a/b', 'a', false],
  ])('%s against %s: %s', (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
    const tree = new TopicTree<string>();
    tree.set(filter, 'k', 'v');
    expect(tree.match(topic)).toEqual(expected ? ['v'] : []);
  });

  test.each(['', 'a/#/b', 'a#', 'a+', '+a', 'a/b+/c', '##', 'a\0b'])('%j is no filter', (filter) => {
    expect(isFilter(filter, 32)).toBe(false);
  });

  test.each(['#', '+', 'a/+/b', 'a/#', '/', '+/+/#'])('%j is a filter', (filter) => {
    expect(isFilter(filter, 32)).toBe(true);
  });

  test('a topic has no wildcard, no NUL and not too many levels', () => {
    for (const topic of ['', 'a/+', 'a/#', 'a\0', 'a/b/c']) expect(isTopic(topic, 2)).toBe(false);
    for (const topic of ['a', 'a/b', '/']) expect(isTopic(topic, 2)).toBe(true);
  });

  test('$SYS and $share are reserved, other topics with $ are not', () => {
    expect(['$SYS', '$SYS/x', '$share/g/x'].every(isReserved)).toBe(true);
    expect(['$other', '$SYSTEM', 'a/$SYS'].some(isReserved)).toBe(false);
  });

  test('the tree and the retained messages agree with the plain rule, also after removals', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(filters, { maxLength: 12 }),
        fc.uniqueArray(topics, { maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        (all, names, removed) => {
          const tree = new TopicTree<string>();
          const retained = new Retained({ max: 100, maxBytes: 10_000 }, () => undefined);
          const keep = (topic: string, text: string) =>
            retained.set({ cmd: 'publish', topic, payload: Buffer.from(text), qos: 0, retain: true });
          for (const filter of all) tree.set(filter, 'k', filter);
          for (const topic of names) keep(topic, 'x');
          for (const topic of names) tree.match(topic);
          const kept = all.filter((filter, i) => !removed[i] || !tree.delete(filter, 'k'));
          const left = names.filter((_, i) => !removed[i]);
          for (const topic of names) if (!left.includes(topic)) keep(topic, '');
          for (const topic of names)
            expect([...tree.match(topic)].sort()).toEqual(kept.filter((f) => matches(f, topic)).sort());
          for (const filter of all)
            expect([...retained.match(filter)].map((packet) => packet.topic).sort()).toEqual(
              left.filter((topic) => matches(filter, topic)).sort(),
            );
          expect(retained.stats.messages).toBe(left.length);
          expect(tree.size).toBe(kept.length);
        },
      ),
      { seed, numRuns: 500 },
    );
  });
});

import { expect, it } from 'vitest';
import { TurnShare } from '../../../adapters/mqtt-broker/turn-share.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets so many messages in per turn and then those that waited, in order, each once', async () => {
  const share = new TurnShare(10);
  const done: string[] = [];
  /** Takes messages while it may, and waits with the rest. */
  const door = (name: string, messages: number) => {
    const one = {
      left: messages,
      resume(): void {
        while (one.left > 0 && !share.spent) {
          share.count();
          one.left--;
          done.push(name);
        }
        if (one.left > 0) share.wait(one);
      },
    };
    return one;
  };
  const doors = [door('a', 25), door('b', 3), door('c', 12)];
  for (const one of doors) one.resume();
  expect(done.length).toBe(10);
  const perTurn: number[] = [];
  for (let turns = 0; done.length < 40 && turns < 100; turns++) {
    const before = done.length;
    await turn();
    perTurn.push(done.length - before);
  }
  expect(doors.map(({ left }) => left)).toEqual([0, 0, 0]);
  expect(Math.max(...perTurn)).toBe(10);
  // Who was stopped waits behind those who wait already.
  expect(done.slice(20).join('')).toBe('bbbcccccccaaaaaccccc');
});

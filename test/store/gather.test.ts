import { describe, expect, it } from 'vitest';
import { Gather } from '../../gateway/store/gather.ts';

/** Sends a small group whenever it may go; answers when each went. */
function departures(gather: Gather, from: number, until: number, every: number): number[] {
  const went: number[] = [];
  for (let now = from; now < until; now += every) {
    if (gather.wait(now, 1, 100) > 0) continue;
    gather.spend(now);
    went.push(now);
  }
  return went;
}

describe('the gather window of small commits', () => {
  it('is closed while commits are rare', () => {
    const gather = new Gather(2);
    for (let now = 1000; now < 2000; now += 100) {
      for (let i = 0; i < 3; i++) {
        expect(gather.wait(now + i, 1, 100)).toBe(0);
        gather.spend(now + i);
      }
    }
  });

  it('makes a rhythm of them when they come often', () => {
    const gather = new Gather(2);
    departures(gather, 1000, 1100, 0.1);
    const went = departures(gather, 1100, 2100, 0.1);
    expect(went.length).toBeGreaterThan(450);
    expect(went.length).toBeLessThan(550);
    const gaps = went.slice(1).map((at, i) => at - went[i]!);
    expect(Math.min(...gaps)).toBeGreaterThan(1.8);
    expect(Math.max(...gaps)).toBeLessThan(2.2);
  });

  it('tells how long to wait', () => {
    const gather = new Gather(2);
    while (gather.wait(1000, 1, 100) === 0) gather.spend(1000);
    const wait = gather.wait(1000, 1, 100);
    expect(wait).toBeLessThanOrEqual(2);
    expect(gather.wait(1000 + wait, 1, 100)).toBe(0);
  });

  it('never keeps back what is large, and nothing when it is off', () => {
    const gather = new Gather(2);
    while (gather.wait(1000, 1, 100) === 0) gather.spend(1000);
    expect(gather.wait(1000, 1000, 100)).toBe(0);
    expect(gather.wait(1000, 1, 1_000_000)).toBe(0);
    expect(new Gather(0).wait(1000, 1, 100)).toBe(0);
  });
});

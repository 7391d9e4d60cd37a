import { describe, expect, it } from 'vitest';
import { holds, killTest } from '../fault/kill.ts';

const SEED = 20260601;
const LOAD = { seed: SEED, rate: 800, devices: 5, life: 700 };

// The same with many more kills: test/fault/kill.ts.
describe(`kill -9 at random instants under load, seed ${SEED}`, () => {
  it('of the core: what was acknowledged is upstream once, in order, and each window has its result', async () => {
    const report = await killTest({ ...LOAD, kills: 5, host: 0 }, console.log);
    expect(report).toMatchObject({ lost: 0, missingResults: 0, outOfOrder: 0, auditHolds: true });
    expect(report.acknowledged).toBeGreaterThan(100);
    expect(holds(report)).toBe(true);
  }, 90_000);

  it('of the model host: no window goes without its result', async () => {
    const report = await killTest({ ...LOAD, kills: 3, host: 1 }, console.log);
    expect(report).toMatchObject({ lost: 0, missingResults: 0, outOfOrder: 0, resent: 0, auditHolds: true });
    expect(report.results).toBeGreaterThan(10);
  }, 90_000);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Latencies, percentile } from '../../gateway/benchmark/latencies.ts';
import { poissonGap, seededRandom } from '../../gateway/benchmark/random.ts';
import { inTurn, type Load, offline, server } from '../../gateway/benchmark/scenarios.ts';

/** A load on a model that answers with the next turn of the event loop; time passes only by `step` per look. */
function load(overrides: Partial<Load> = {}): Load & { underWay: number; most: number; asked: number } {
  let time = 0;
  const state = { underWay: 0, most: 0, asked: 0 };
  return Object.assign(state, {
    seconds: 0.05,
    signal: new AbortController().signal,
    now: () => {
      time += 0.1;
      return time;
    },
    issue: async () => {
      state.asked++;
      state.underWay++;
      state.most = Math.max(state.most, state.underWay);
      await new Promise((resolve) => setImmediate(resolve));
      state.underWay--;
      return true;
    },
    ...overrides,
  });
}

it('answers the nearest-rank percentile', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const found = percentile(sorted, share);
        expect(sorted.filter((value) => value <= found).length).toBeGreaterThanOrEqual(
          share * values.length - 1e-9,
        );
        expect(sorted).toContain(found);
      },
    ),
    { seed: 7 },
  );
  expect(percentile([], 0.5)).toBe(0);
});

it('summarises latencies', () => {
  const latencies = new Latencies();
  for (let i = 1000; i >= 1; i--) latencies.add(i);
  expect(latencies.summary()).toMatchObject({ mean: 500.5, p50: 500, p90: 900, p99: 990, max: 1000 });
});

it('asks one after the other, as many samples at once as a query has', async () => {
  const single = load();
  const one = await inTurn(single, 1);
  expect(single.most).toBe(1);
  expect(one.queries).toBe(one.samples);
  const multi = load();
  const eight = await inTurn(multi, 8);
  expect(multi.most).toBe(8);
  expect(eight.samples).toBe(8 * eight.queries);
});

it('keeps as many samples under way as it may', async () => {
  const state = load();
  const result = await offline(state, 32);
  expect(state.most).toBe(32);
  expect(result.samples).toBe(state.asked);
});

it('counts samples without a result', async () => {
  let n = 0;
  const result = await inTurn(load({ issue: async () => n++ % 2 === 0 }), 8);
  expect(result.failed * 2).toBe(result.samples);
});

it('sends at the rate asked for, whatever the answers take, and waits for the last of them', async () => {
  const random = seededRandom(3);
  const gaps = Array.from({ length: 20_000 }, () => poissonGap(random, 200));
  expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeCloseTo(5, 0);
  const state = load({ now: () => performance.now(), seconds: 0.2 });
  const result = await server(state, 500, seededRandom(3));
  expect(state.underWay).toBe(0);
  expect(result.samples).toBe(state.asked);
  expect(result.queries).toBe(result.samples);
});

it('gives up when a model falls far behind the rate', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = 0;
  const issue = async (): Promise<boolean> => {
    if (++asked === 4096) setImmediate(release);
    await held;
    return true;
  };
  const result = await server(load({ issue, seconds: 1000 }), 1e6, seededRandom(1));
  expect(result.samples).toBe(4096);
});

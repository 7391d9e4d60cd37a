import { expect, it, onTestFinished } from 'vitest';
import { planReads, readPages } from '../../gateway/views/history/pages.ts';
import { spanOf } from '../../gateway/views/history/period.ts';
import { SeriesCollector } from '../../gateway/views/history/series.ts';
import { inOrder, thin } from '../../gateway/views/history/thin.ts';
import { forecast, slope } from '../../gateway/views/upstream.ts';
import { manualClock } from '../support/clock.ts';
import { openJournal, reading } from '../support/journal.ts';
import { temporaryFolder } from '../support/tmp.ts';

const T = Date.UTC(2026, 5, 1);
const ALL = { records: 1e9, bytes: 1e12 };

/** 20 commits, each ten minutes of one reading a second of two devices. */
async function filled(timeOf: (arrival: number) => number = (arrival) => arrival) {
  const clock = manualClock(T);
  const made = await openJournal(temporaryFolder(), clock);
  onTestFinished(() => made.close());
  for (let part = 0; part < 20; part++) {
    clock.advance(600_000);
    const time = timeOf(clock.now());
    await made.append(
      Array.from({ length: 600 }, (_, i) => reading(i % 2 ? 'b' : 'a', time, part * 600 + i)),
    );
  }
  return { ...made, clock };
}

it('finds a period by a few reads, counts exactly, and stays within its budget: pages all over, or the end', async () => {
  const { journal, clock } = await filled();
  const span = await spanOf(journal, T + 140 * 60_000, T + 150 * 60_000);
  // An hour more on each side, for clocks and readings that come late.
  expect(span).toEqual({ after: 7 * 600, until: journal.head });
  const plan = planReads(journal, span, ALL, 'even');
  expect(plan.complete).toBe(true);
  const seqs: number[] = [];
  for await (const records of readPages(journal, plan, new AbortController().signal))
    seqs.push(...records.map(({ seq }) => seq));
  expect(seqs).toEqual(Array.from({ length: span.until - span.after }, (_, i) => span.after + 1 + i));
  const later = await spanOf(journal, clock.now() + 7_200_000, clock.now() + 8_000_000);
  expect(later.until - later.after).toBe(0);

  const whole = { after: 0, until: journal.head };
  const even = planReads(journal, whole, { records: 2000, bytes: 1e12 }, 'even');
  expect([even.complete, even.pages.length]).toEqual([false, 4]);
  expect([even.pages[0], even.pages.at(-1)]).toEqual([
    { after: 0, until: 500 },
    { after: 11_500, until: 12_000 },
  ]);
  const newest = planReads(journal, whole, { records: 1000, bytes: 1e12 }, 'newest');
  expect(newest.pages).toEqual([
    { after: 11_000, until: 11_500 },
    { after: 11_500, until: 12_000 },
  ]);
  const gone = new AbortController();
  let pages = 0;
  for await (const _ of readPages(journal, even, gone.signal)) {
    pages++;
    gone.abort();
  }
  expect(pages).toBe(1);
});

it('finds what is long past where devices send that, also when they send it faster than it came about', async () => {
  const past = 10 * 365 * 86_400_000;
  const { journal } = await filled((arrival) => T - past + 1000 * (arrival - T));
  const { after, until } = await spanOf(journal, T - past + 600_000_000, T - past + 1_200_000_000);
  expect([after, until]).toEqual([0, journal.head]);
});

it('thins a line without losing an extreme, and keeps exact figures', () => {
  const collector = new SeriesCollector(['a'], undefined);
  const length = 5000;
  for (let i = 0; i < 2 * length; i++)
    collector.put({ ...reading(i % 2 ? 'b' : 'a', T + i, i), seq: i + 1, deviceSeq: 1, arrival: T + i });
  const [series] = collector.series(100, () => 'Cel');
  expect(series).toMatchObject({
    device: 'a',
    unit: 'Cel',
    count: length,
    min: 0,
    max: 2 * (length - 1),
    mean: length - 1,
  });
  const values = Array.from({ length: 10_000 }, (_, i) => (i === 4321 ? 99 : i === 7000 ? -99 : Math.sin(i)));
  const thinned = thin({ times: values.map((_, i) => i), values }, 200);
  expect(thinned.times.length).toBeLessThanOrEqual(200);
  expect([Math.max(...thinned.values), Math.min(...thinned.values)]).toEqual([99, -99]);
  expect(thinned.times).toEqual(thinned.times.toSorted((a, b) => a - b));
  expect([thinned.times[0], thinned.times.at(-1)]).toEqual([0, 9999]);
  expect(inOrder({ times: [3, 1, 2], values: [30, 10, 20] })).toEqual({
    times: [1, 2, 3],
    values: [10, 20, 30],
  });
  expect(thin({ times: [5, 5, 5], values: [1, 2, 3] }, 2).values).toContain(3);
});

it('says when a backlog will be gone, or will have filled its room', () => {
  const now = 1_000_000;
  expect(slope([])).toBe(0);
  expect(slope([0, 2000, 4000, 6000])).toBeCloseTo(1000);
  const base = { drainSeconds: null, backlog: 10, free: 5000, growth: 0 };
  expect(forecast(now, { ...base, backlog: 0 }).state).toBe('empty');
  expect(forecast(now, base).state).toBe('steady');
  expect(forecast(now, { ...base, drainSeconds: 30, growth: -5 })).toEqual({
    state: 'draining',
    emptyAt: now + 30_000,
    fullAt: null,
  });
  expect(forecast(now, { ...base, growth: 100 })).toEqual({
    state: 'growing',
    emptyAt: null,
    fullAt: now + 50_000,
  });
});

import { expect, it, onTestFinished } from 'vitest';
import { openReadingStreams } from '../../gateway/ingest/index.ts';
import { openAggregate } from '../../gateway/system/document-streams.ts';
import { createFeed } from '../../gateway/views/feed.ts';
import { append, parseConfig, reading, storeFor } from '../pipeline/harness.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const QUERY = { from: 'new', limit: 500, wait: 0 } as const;
const forever = new AbortController().signal;

async function setUp(journal: object = {}) {
  const clock = manualClock(1_000_000);
  const config = parseConfig({
    streams: [{ id: 'temps', ...journal }],
    aggregates: [{ id: 'sums', from: 'temps', every: '1s', stats: ['count'] }],
  });
  const opened = await storeFor(temporaryFolder(), config, clock);
  onTestFinished(() => opened.store.stop());
  const readingStreams = openReadingStreams(config, opened.store);
  const feed = createFeed({ config, store: opened.store, readingStreams, clock });
  const temps = readingStreams.get('temps')!;
  const sums = openAggregate(opened.store, config, config.aggregates[0]!);
  return { clock, feed, temps, sums };
}

it('pages through a journal behind a cursor, each record once and in order', async () => {
  const { feed, temps } = await setUp();
  for (let n = 1; n <= 25; n++) await append(temps, [reading(n % 2 ? 'a' : 'b', n, n / 2)]);
  const found: unknown[] = [];
  let after: number | undefined;
  for (let pages = 0; pages < 10; pages++) {
    const page = await feed.page(
      'readings',
      'temps',
      { ...QUERY, from: 'oldest', limit: 7, ...(after === undefined ? {} : { after }) },
      forever,
    );
    found.push(...page.records);
    expect(page).toMatchObject({ head: 25, missed: 0 });
    after = page.next;
  }
  expect(found).toEqual(
    Array.from({ length: 25 }, (_, i) => ({
      seq: i + 1,
      device: i % 2 ? 'b' : 'a',
      time: i + 1,
      values: { value: (i + 1) / 2 },
    })),
  );
  const of = await feed.page('readings', 'temps', { ...QUERY, from: 'oldest', device: 'b' }, forever);
  expect(of.records.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, i) => 2 * i + 2));
  expect(await feed.page('readings', 'temps', QUERY, forever)).toMatchObject({ records: [], next: 25 });
  // A cursor of a journal that was begun anew.
  expect(await feed.page('readings', 'temps', { ...QUERY, after: 999 }, forever)).toMatchObject({ next: 25 });
});

it('gives documents as they are published', async () => {
  const { feed, sums } = await setUp();
  const document = { id: 'x', device: 'a', end: 7, fields: { value: { count: 3 } } };
  await new Promise<void>((resolve) =>
    sums.append([{ device: 'a', time: 7, flags: 0, value: JSON.stringify(document) }], () => resolve()),
  );
  const { records } = await feed.page('aggregates', 'sums', { ...QUERY, from: 'oldest' }, forever);
  expect(records).toEqual([{ seq: 1, time: 7, ...document }]);
  await expect(feed.page('results', 'sums', QUERY, forever)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

it('waits for a record, until its time is over or the caller has gone', async () => {
  const { feed, temps, clock } = await setUp();
  const wait = { ...QUERY, after: 0, wait: 5000 };
  const first = feed.page('readings', 'temps', wait, forever);
  await append(temps, [reading('a', 1, 1)]);
  expect((await first).records).toHaveLength(1);
  const late = feed.page('readings', 'temps', { ...wait, after: 1 }, forever);
  let over = false;
  void late.then(() => {
    over = true;
  });
  await until(() => {
    clock.advance(1000);
    return over;
  }, 'its time to be over');
  expect(await late).toMatchObject({ records: [], next: 1 });
  const gone = new AbortController();
  const given = feed.page('readings', 'temps', { ...wait, after: 1 }, gone.signal);
  gone.abort();
  expect(await given).toMatchObject({ records: [], next: 1 });
});

it('tells how many records the journal gave up behind a cursor', async () => {
  const { feed, temps } = await setUp({ journal: { maxBytes: '64KiB', whenFull: 'drop-oldest' } });
  while (temps.tail < 50)
    await append(
      temps,
      Array.from({ length: 200 }, (_, n) => reading('a', n, n)),
    );
  const page = await feed.page('readings', 'temps', { ...QUERY, after: 10 }, forever);
  expect(page.missed).toBe(temps.tail - 11);
  expect(page.records[0]!.seq).toBe(temps.tail);
});
